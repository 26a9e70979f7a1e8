"""Paxos, single decree: a group chooses one value, once. The readable reference beside which the other engines are read.

Sources: Lamport, "The Part-Time Parliament" (1998), cited as PTP; "Paxos Made Simple" (2001), cited as PMS.

Phases of a ballot
    1   prepare, promise      the proposer learns what may have been chosen; acceptors promise to take part in nothing older
    2   accept, accepted      the proposer proposes that, or its own value if it is free; whoever promised nothing newer accepts

Messages (messages.py)
    Prepare    proposer -> acceptors   begins a ballot; after fsync of its number, so that no restart uses it again
    Promise    acceptor -> proposer    after fsync: nothing below this ballot will be accepted; carries what was accepted last
    Accept     proposer -> acceptors   a quorum promised: the value of this ballot, one and the same for all
    Accepted   acceptor -> learners    after fsync of (ballot, value)
    Refused    acceptor -> proposer    a newer ballot was promised. Safety does not need it, it saves the proposer a silence

Persistent: an acceptor's (promised, accepted, value); a proposer's round.

Invariants: one vote per acceptor and ballot; one value per ballot; a ballot's value is safe: whatever was or may yet be chosen
in an older ballot is this value; so at most one value is ever chosen. A promised ballot never falls, not across restarts either.

Progress is not promised (Fischer, Lynch, Paterson 1985): two proposers that outbid each other's phase 1 duel for ever.
tests/protocols/paxos_duel.txt shows it, and both cures: waiting a random time after a refusal, or one distinguished proposer.

Paxos chooses one value and is no log: it stands behind no `Core`. Multi-Paxos makes the log of it.
"""

from quorate.protocols.paxos.acceptor import FRESH, Acceptor, AcceptorState, Answer
from quorate.protocols.paxos.learner import Learner
from quorate.protocols.paxos.messages import NO_BALLOT, Accept, Accepted, Ballot, Prepare, Promise, Refused
from quorate.protocols.paxos.proposer import Proposer

__all__ = [
    "FRESH",
    "NO_BALLOT",
    "Accept",
    "Accepted",
    "Acceptor",
    "AcceptorState",
    "Answer",
    "Ballot",
    "Learner",
    "Prepare",
    "Promise",
    "Proposer",
    "Refused",
]
