"""The real runtime in virtual time: nodes, services, log and clients in one process, deterministic under a seed.

    from quorate.cluster.simulation.run import run

    result = run(seed, check=lambda history: check(history, "cas"))
    result.violation     empty, or "kind: facts"
    result.trace_hash    of every frame, log line and fault: the same seed gives the same hash, in any process
    result.operations, result.faults, result.events, result.lives, result.calls, result.frames, result.virtual_ns

`run(seed, trace=True).lines` is the run in words; `python -m quorate.cluster.simulation --first-seed N --seeds 1 --trace` prints it.

What is real: Node, Replica, driver, peers, forming, services, snapshots, journal, write-ahead log, recovery, data directory,
the faulty-file layer, Client with its sessions, retries, leases and watches. What stands in: the event loop and its executor,
TCP (frames under the network policy of the simulator of the cores), files below the faulty layer, clocks, randomness, and the
log's two threads, of which one step runs after the other. What does not run: HTTP, signals, the real files, uvloop, the command line.
"""
