"""Multi-Paxos: one ballot is promised for all slots at once; then one round of votes decides each slot, many of them at the same time.

Sources: Lamport, "Paxos Made Simple" (2001), sections 2 and 3; "The Part-Time Parliament" (1998), 3.1; Lamport, Malkhi & Zhou,
"Reconfiguring a State Machine" (2010) for the window; van Renesse & Altinbuken, "Paxos Made Moderately Complex" (2015). What serves
leaders of any kind (asking first, leases, reads, hand-over) is as in Ongaro's thesis, whose sections are cited as "thesis".

Phases of a ballot
    ask           would a quorum promise me more? (thesis 9.6)          Asking, no new ballot
    phase 1       one prepare for all slots from the first unchosen     Preparing; leads once its own promise is durable too
    taking over   the reported value of the highest ballot in each slot, no-ops in the gaps, then a no-op of its own   Leader
    phase 2       one accept round per slot, alpha slots open, chosen in any order, applied in order                   Leader
    end           another is promised more (preempted), no quorum answers, hands over, or governs no slot any more

Messages (messages.py)
    Ask             asking -> acceptors        a timeout passed, or the connection to the leader broke; what it knows to be chosen
    AskReply        any -> asking              at once; binds nobody
    Prepare         proposer -> acceptors      after fsync of its ballot; first slot. Again for the next part of a long report
    Promise         acceptor -> proposer       after the promise is durable: its votes from that slot on, (slot, ballot, value) each
    Preempted       acceptor -> proposer       after the fsync of what it says: I promised more; or: I dropped what you lack
    Accept          leader -> all              new values, once per turn; what a learner misses; empty to ask again
    Accepted        any -> leader              after the votes are durable, once per turn: up to where, and what beyond a gap
    Heartbeat       leader -> all              every heartbeat_ticks, and whenever reads wait: a new round
    HeartbeatReply  any -> leader              at once, never behind the disk; confirms the round and the lease, reveals lost accepts
    Chosen          leader -> any              the commit index moved and there is no accept to carry it; never answered
    TakeOver        leader -> acceptor         hand-over: prepare at once
    ReadIndex       any -> leader              once a turn with reads; again after read_retry_ticks
    ReadIndexReply  leader -> any              when a round sent after the question was confirmed

Persistent: the promised ballot (Promised), and in each slot the vote of the highest ballot, as an entry (index = slot, term = ballot)
of which the later replaces the earlier; beside the promise the node's own number, and how far all was known to be chosen when another
configuration began to govern, since those whom it left out may be gone by the next start. Nothing is ever truncated, and slots may be
missing below others: an acceptor votes for what arrives, in whatever order. Keeping each acceptor's votes contiguous would make the log
simpler, but then nothing could be chosen out of order and one lost accept would hold up all after it; so the gap is real (slots.py), on
disk too. What is applied is only what is chosen without a gap. What a value is does not depend on the ballot in which a node last voted
for it: proposed again, it carries the ballot of its birth (core/values.py, PROPOSED_AGAIN), and that is the term of what is committed,
on every node the same.

Each origin is proposed for one slot, ever: by the leader that took it in, and proposed again only where it was voted for. So it can be
chosen once at most, and it is superseded for good when another value is chosen in its slot.

The window. At most alpha slots are open. A configuration chosen in slot i governs from slot i + alpha on, so whoever opens a slot
knows whose votes decide it. A quorum of *each* configuration that governs a slot must have promised before the slot is opened: the
present one to lead at all; when the window reaches slots of the next one, its members are prepared, in the same ballot, from there on.
A change took effect once it governs every open slot and a quorum of it has that on disk; the leader fills the way there with no-ops;
only then may the next begin. Who would lead and lacks slots that others have dropped is streamed a snapshot by those whom it asks.

Reads need no slot: the leader answers when all that phase 1 reported is chosen and a quorum of the configuration that governs the
first unchosen slot has answered a round sent after the question; had another ballot applied anything beyond, one of them would have
promised it. Lease: an acceptor that answers a heartbeat promises nobody else for lease_ticks, a tenth and two ticks more, by its own
clock; the leader relies on lease_ticks from when that heartbeat left. Clocks may run apart by a tenth of lease_ticks.

Invariants (Lamport's Voting, held by simulation/multipaxos_laws.py): an acceptor votes once per ballot and slot, and never below what
it promised; one value per ballot and slot; votes are safe; at most one value is chosen per slot; promised ballots never fall.
Every rule that keeps them is one method in rules.py.

Modules: engine (transition table, roles' beginnings) over state and slots; election (asking, timers, leases), acceptor, preparing
(phase 1), proposing (phase 2), leading (peers), changes (the window's members), handover, and the shared reads and membership; turn
ends the batch.
"""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.multipaxos.engine import MultiPaxos
from quorate.protocols.multipaxos.messages import Promised
from quorate.protocols.multipaxos.options import MultiPaxosOptions
from quorate.protocols.multipaxos.rules import Rules

__all__ = ["MultiPaxos", "MultiPaxosOptions", "Promised", "Rules", "multipaxos"]


def multipaxos(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> MultiPaxos:
    """The CoreFactory: a node of a Multi-Paxos group, fresh or from what its log gave back."""
    if not isinstance(options, MultiPaxosOptions):
        raise TypeError(f"options must be MultiPaxosOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, Promised):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return MultiPaxos(node, members, options, rng, incarnation, promise, snapshot, entries)
