"""The values that cores, storage and runtime hand each other: entries, members, configurations, snapshots."""

import json
from dataclasses import dataclass, field, replace
from enum import IntEnum
from struct import Struct

NodeId = str
"""A node's name, for people and on the wire. Its small integer is Member.number."""

Token = int
"""Names one request to a core. A proposal's token is its origin (see `origin`); other tokens need only be unique."""

# 36 bits of counter last 39 days at 20,000 proposals a second; the runtime then draws a new incarnation.
COUNTER_BITS = 36
INCARNATION_BITS = 20
NUMBER_BITS = 8
COUNTER_MAX = (1 << COUNTER_BITS) - 1
INCARNATION_MAX = (1 << INCARNATION_BITS) - 1
NUMBER_MAX = (1 << NUMBER_BITS) - 1
NO_ORIGIN = 0


def origin(number: int, incarnation: int, counter: int) -> int:
    """Who proposed an entry, packed in 64 bits: node number, incarnation, counter (from 1). It never changes,
    even when the entry is proposed again under another ballot or in another slot."""
    assert 0 < number <= NUMBER_MAX, number
    assert 0 < incarnation <= INCARNATION_MAX, incarnation
    assert 0 < counter <= COUNTER_MAX, counter
    return (number << (COUNTER_BITS + INCARNATION_BITS)) | (incarnation << COUNTER_BITS) | counter


class Kind(IntEnum):
    """What an entry's data is."""

    COMMAND = 0
    """For the state machine, opaque until applied."""
    NOOP = 1
    """An engine's own: opens a term, fills a gap."""
    CONFIGURATION = 2
    """Configuration.encode()."""


@dataclass(slots=True)
class Entry:
    """One position of the replicated log. `term` is the engine's own: Raft's term, Paxos's packed ballot, ZAB's epoch.

    Never changed once made; not frozen only because a frozen one costs three times as much to make on the hot path.
    """

    index: int
    term: int
    origin: int
    kind: int
    data: bytes


PROPOSED_AGAIN = 0x80
"""Beside a kind: the entry's data begins with the term in which its value was first proposed. Engines that propose a value again, in
its place and under a later ballot, keep by it what the value is: the same on every node, whichever ballot each of them took it in."""

_BORN = Struct("<Q")

FAST = 0x40
"""Beside a kind: a vote that an acceptor gave by itself, in a fast round; the entry's data begins with the number of that round within
the term. What is committed bears no such mark."""

FAST_ROUND = Struct("<I")


def born(entry: Entry) -> int:
    """The term in which the entry's value was first proposed; together with the index it names the value."""
    return int(_BORN.unpack_from(entry.data)[0]) if entry.kind & PROPOSED_AGAIN else entry.term


def original(entry: Entry) -> Entry:
    """The entry as it was first proposed: what is committed, applied and compared."""
    if entry.kind & FAST:
        return Entry(entry.index, entry.term, entry.origin, entry.kind ^ FAST, entry.data[FAST_ROUND.size :])
    if not entry.kind & PROPOSED_AGAIN:
        return entry
    return Entry(entry.index, born(entry), entry.origin, entry.kind ^ PROPOSED_AGAIN, entry.data[_BORN.size :])


def proposed_again(entry: Entry, term: int) -> Entry:
    """The same value at the same index, proposed under this ballot."""
    if entry.kind & FAST:
        entry = original(entry)
    if entry.term == term:
        return entry
    if entry.kind & PROPOSED_AGAIN:
        return Entry(entry.index, term, entry.origin, entry.kind, entry.data)
    return Entry(entry.index, term, entry.origin, entry.kind | PROPOSED_AGAIN, _BORN.pack(entry.term) + entry.data)


@dataclass(frozen=True, slots=True)
class Member:
    """One node as the configuration knows it. Addresses are "host:port"."""

    name: NodeId
    number: int
    storage: str = ""
    """The storage id of the disk that this member votes with; votes and acks from another are not counted."""
    voter: bool = True
    promote: bool = False
    """A learner that the leader promotes to voter by itself once it has caught up."""
    peer_address: str = ""
    client_address: str = ""


LATE = {"late": True}
"""Marks a last field that was added later: it is left out of a row while it has its default, and its default is meant by its absence."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The members of a group, sorted by name. `index` is the log index that decided it, 0 for the bootstrap one."""

    members: tuple[Member, ...] = ()
    index: int = 0
    former: tuple[int, ...] = field(default=(), metadata=LATE)
    """Numbers that members had who are none any more, ascending. None is given again: the next to bear it would count its
    incarnations from 1 anew, and name its proposals as the first one did."""
    voters: frozenset[NodeId] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(sorted(self.members, key=lambda member: member.name)))
        object.__setattr__(self, "voters", frozenset(member.name for member in self.members if member.voter))

    @property
    def names(self) -> tuple[NodeId, ...]:
        return tuple(member.name for member in self.members)

    def get(self, name: NodeId) -> Member | None:
        return next((member for member in self.members if member.name == name), None)

    def has_voter(self, name: NodeId, storage: str) -> bool:
        """Whether that member votes, with that disk. An id that one side does not know ("") stands for any."""
        member = self.get(name)
        return member is not None and member.voter and (not storage or member.storage in ("", storage))

    @property
    def free_number(self) -> int | None:
        """One that no member has or had; None once all of them were given."""
        taken = {member.number for member in self.members}.union(self.former)
        highest = max(taken, default=0)
        return highest + 1 if highest < NUMBER_MAX else next((one for one in range(1, NUMBER_MAX) if one not in taken), None)

    def with_member(self, member: Member) -> "Configuration":
        """Added, or put in the place of the member with the same name."""
        rest = tuple(other for other in self.members if other.name != member.name)
        return self._followed_by((*rest, member))

    def without(self, name: NodeId) -> "Configuration":
        return self._followed_by(tuple(member for member in self.members if member.name != name))

    def _followed_by(self, members: tuple[Member, ...]) -> "Configuration":
        given = {member.number for member in self.members} - {member.number for member in members}
        return replace(self, members=members, former=tuple(sorted(given.union(self.former))))

    def encode(self) -> bytes:
        """JSON, without the index: an entry's own index says that."""
        rows: list[object] = [
            [member.name, member.number, member.storage, member.voter, member.promote, member.peer_address, member.client_address]
            for member in self.members
        ]
        if self.former:
            rows.append({"former": self.former})
        return json.dumps(rows, separators=(",", ":")).encode()

    @staticmethod
    def decode(data: bytes, index: int) -> "Configuration":
        rows = json.loads(data)
        former = rows.pop()["former"] if rows and isinstance(rows[-1], dict) else ()
        return Configuration(tuple(Member(*row) for row in rows), index, tuple(former))


@dataclass(frozen=True, slots=True)
class AddLearner:
    """Add a member that receives the log and does not vote; with member.promote it becomes a voter once caught up."""

    member: Member


@dataclass(frozen=True, slots=True)
class Promote:
    """Make a learner a voter. Refused while it has not caught up."""

    name: NodeId


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a member out, voter or learner. A leader may remove itself: it leads until that commits."""

    name: NodeId


@dataclass(frozen=True, slots=True)
class PromoteByHand:
    """Log shipping only: make this node the primary, whatever that loses."""

    name: NodeId


Change = AddLearner | Promote | Remove | PromoteByHand


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A durable image of a state machine: everything up to `index` applied. Bytes live with the runtime, never here."""

    id: str
    index: int
    term: int
    configuration: Configuration
    size: int = 0
    checksum: int = 0


NOTHING = Snapshot("", 0, 0, Configuration())
"""Marked in a log, it takes the last mark back: the log begins at its beginning again, and the state machine is empty before it."""
