"""Fast Paxos: acceptors take values straight from whoever proposes them, and two message delays later everybody knows what is chosen.

Source: Lamport, "Fast Paxos" (2006), by section. It is Multi-Paxos (protocols/multipaxos) with a second kind of round, and shares its
parts: elections, phase 1, classic rounds, window, leases, members, hand-over, reads, the turn. Only what differs is here.

Rounds. A ballot has one owner, the coordinator, as in Multi-Paxos; a round is (ballot, stage). Stages are the fast rounds of a ballot,
one after the other, and after all of them its classic round. What stage a vote was given in stands in front of its data (core's FAST).

Phases of a ballot
    phase 1        as Multi-Paxos's; reports are kept whole, and rule O4 (picking.py) says what may have been chosen
    taking over    every reported slot gets its value, or a no-op, in the classic round
    classic        the leader gives slots; other nodes refuse proposals, and send it only those that lost in a fast round
    fast           Any(first slot): from there on the acceptors give slots. Needs a fast quorum alive, three quarters (quorums.py)
    collision      coordinated: the votes of a classic quorum are the phase 1b messages of the classic round, which the coordinator
                   begins at once (2.2). Uncoordinated: acceptors see all votes, pick by the same rule and vote in the recovering
                   stage, an odd one (2.3)
    closing        votes were lost, acceptors out of step, a change waits, a fast quorum is dead, or the stage is used up: Close asks
                   for all votes; a classic quorum's decide every slot up to the last that was voted in. Then classic, then fast again

How slots are given. Each acceptor gives an arriving value its next free slot. While values arrive everywhere in one order, all give
the same slots: proposing node -> acceptors -> everybody, two delays, whoever proposes (Multi-Paxos: three to four but at the leader).
Two nodes that propose at once may be heard in either order, so both values collide, in both slots. That costs, coordinated, two delays
more (Accept, Accepted) for the slots concerned; uncoordinated one round of votes, if all see the same ones; and a loser that finds no slot
is proposed again. An acceptor that missed a value is a slot behind, and every later slot collides, until a classic vote, or what it
learns to be chosen, lifts it over the others' slots, or the stage is closed and the next announces one first slot to all.

Messages (messages.py), beside Multi-Paxos's
    Any                 leader -> all          a fast round begins, or is over; again with each heartbeat
    Values              proposer -> acceptors  once a turn; to the leader alone in classic rounds. Says what Any said, and stands for it
    Voted               acceptor -> all        after the votes are durable, once a turn: origins, slot by slot; again with heartbeats
    Close               leader -> acceptors    a fast round is to end; again with each heartbeat, and for further parts
    Closed              acceptor -> leader     after it is durable that it votes there no more: its votes, with their values
    FastHeartbeatReply  any -> leader          instead of HeartbeatReply: and how far I have voted in the fast round

Persistent: as Multi-Paxos, with the stage in promise (FastPromised) and votes. An acceptor that restarts votes in no stage that it may
have voted in before.

One slot. A value may be voted for in several slots, by several acceptors or in several rounds, and must win one. Kept by:
- an acceptor votes for an origin once per stage, and within fast_window slots above what it knows to be chosen;
- a value that was sent is sent again only in a later stage, by who knows that it won no slot below that stage's first: nothing voted
  for earlier can be chosen above it (proposer.py);
- who picks values goes by one quorum for all slots, lets an origin's highest round alone count, and takes freely only what so many
  have voted for that no fast quorum is left for it elsewhere (picking.py);
- slots are dropped only when all fast_window slots above them are chosen: until then somebody may have to ask which origins they have.
So an origin is committed once, and a node that took a value in never needs to say that it was superseded: it proposes it again. Who
dies, or gets a snapshot over its values, says nothing (uncertain); sessions make the client's retry safe.

Reads. In a fast round others know what is chosen before the leader does. So there is no lease then; and a read waits for every slot that
an acceptor of the confirming quorum had voted in when it answered, which the leader sees decided.

Members change in classic rounds: a change asked for in a fast one ends it. The next begins when the change has taken effect.

Invariants (simulation/fastpaxos_laws.py): one vote per acceptor, slot and round, and per origin and stage, never below a promise; votes
are safe with fast and classic quorums; no fast vote without Any; what a fast round chose is on a fast quorum's disks; one slot per origin.
Every rule that keeps them is one method in rules.py.

Modules: engine over state; voting (acceptor and learner) with stage, votes and picking; proposer; coordinator; proposing and leading
(what changes in Multi-Paxos's parts).
"""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.fastpaxos.engine import FastPaxos
from quorate.protocols.fastpaxos.messages import FastPromised
from quorate.protocols.fastpaxos.options import FastPaxosOptions
from quorate.protocols.fastpaxos.rules import FastRules

__all__ = ["FastPaxos", "FastPaxosOptions", "FastPromised", "FastRules", "fastpaxos"]


def fastpaxos(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> FastPaxos:
    """The CoreFactory: a node of a Fast Paxos group, fresh or from what its log gave back."""
    if not isinstance(options, FastPaxosOptions):
        raise TypeError(f"options must be FastPaxosOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, FastPromised):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return FastPaxos(node, members, options, rng, incarnation, promise, snapshot, entries)
