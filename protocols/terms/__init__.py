"""What engines share whose leaders are elected for terms by votes, each with the right to append to a log of (index, term).

Raft's elections, membership, reads and snapshots do not depend on who moves the entries: Raft's leader pushes them, KRaft's followers
fetch them. All of that stands here once, so that the two packages hold only their difference.

    ballots      the promise (term and vote) and the four messages of elections
    options      the figures, in ticks and bytes
    rules        the safeguards, each one method
    roles        pre-candidate, candidate, leader; the follower is the engine's own
    state        identity, persistent state, clocks, the batch being gathered
    election     timers, votes, stickiness, the promise to a lease, priorities
    succession   where roles change
    office       a leader's counting: commits, rounds, lease, check-quorum
    handover     leadership transfer
    snapshots    compaction, installation, truncation
    turn         the end of a batch
    idleness     how long a node need not be ticked
"""
