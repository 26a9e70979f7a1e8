"""Measuring engines in the simulator: the same world, load and faults for each, counted in messages, ticks, fsyncs and bytes.

The rule it keeps: nothing here is left to chance but what an engine's own random numbers decide. Each message takes the same time, each
fsync too, a link carries so many bytes a second in order, and nothing is lost but by a cut; so a figure is a function of engine and seed.

    rig          the world, and what is counted in it
    commits      what a write and a read cost, alone and in batches; what an idle cluster says
    elections    from a leader's crash to the next leader and the first write that it serves, with and without a follower that lags
    catching     how long a follower that was away needs, by the log and by a snapshot
    partitions   links cut one way and in part: who leads, how often that changes, who can write meanwhile
    basic        single-decree Paxos, run anew for each value: what Multi-Paxos saves

The invariants of the simulator stay on: what is measured is a run that kept them.
"""
