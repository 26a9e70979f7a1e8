"""Acceptors, proposers and a learner with their disks and the messages between them; a test or a seed moves each by hand.

What is asserted after every step are the invariants of voting (Lamport's Voting): one vote per acceptor and ballot, one value per
ballot, every vote safe when it was cast, at most one value chosen; and that promises never fall, across restarts either.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from quorate.protocols.paxos import (
    FRESH,
    Accept,
    Accepted,
    Acceptor,
    AcceptorState,
    Ballot,
    Learner,
    Prepare,
    Promise,
    Proposer,
    Refused,
)
from quorate.protocols.quorum import majority

PaxosMessage = Prepare | Promise | Accept | Accepted | Refused


class Broken(AssertionError):
    """An invariant of voting does not hold."""


@dataclass(slots=True)
class Frame:
    source: str
    destination: str
    message: PaxosMessage

    def __str__(self) -> str:
        return f"{self.source} > {self.destination} {describe(self.message)}"


def describe(message: PaxosMessage) -> str:
    match message:
        case Prepare(ballot):
            return f"prepare({ballot})"
        case Promise(ballot, accepted, None):
            return f"promise({ballot})"
        case Promise(ballot, accepted, value):
            return f"promise({ballot}, accepted {value.decode()} in {accepted})"
        case Accept(ballot, value):
            return f"accept({ballot}, {value.decode()})"
        case Accepted(ballot, value):
            return f"accepted({ballot}, {value.decode()})"
        case Refused(ballot, promised):
            return f"refused({ballot}, promised {promised})"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: a test puts in a class that lacks one safeguard."""

    acceptor: type[Acceptor] = Acceptor
    proposer: type[Proposer] = Proposer
    learner: type[Learner] = Learner
    acceptors_persist: bool = True
    rounds_persist: bool = True


@dataclass(slots=True)
class Room:
    """Acceptors a1, a2, ... and proposers p1, p2, ... whose values are v1, v2, ...; None where a process is down."""

    acceptor_count: int
    proposer_count: int
    cast: Cast = field(default_factory=Cast)
    patience: Callable[[str], Random | None] = lambda name: None
    disks: dict[str, AcceptorState] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    acceptors: dict[str, Acceptor | None] = field(default_factory=dict)
    proposers: dict[str, Proposer | None] = field(default_factory=dict)
    learner: Learner = field(init=False)
    under_way: list[Frame] = field(default_factory=list)
    votes: dict[tuple[str, Ballot], bytes] = field(default_factory=dict)
    values: dict[Ballot, bytes] = field(default_factory=dict)
    chosen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.learner = self.cast.learner(self.acceptor_count)
        for number in range(1, self.acceptor_count + 1):
            self.disks[f"a{number}"] = FRESH
            self.start(f"a{number}")
        for number in range(1, self.proposer_count + 1):
            self.rounds[f"p{number}"] = 0
            self.start(f"p{number}")

    # --- processes ---

    def start(self, name: str) -> None:
        if name.startswith("a"):
            self.acceptors[name] = self.cast.acceptor(self.disks[name])
            return
        number, names = int(name[1:]), list(self.disks)
        durable = self.rounds[name] if self.cast.rounds_persist else 0
        value = f"v{number}.{self.rounds[name]}".encode()  # a client that asks a restarted proposer wants something else
        self.proposers[name] = self.cast.proposer(number, names, value, durable_round=durable, rng=self.patience(name))

    def crash(self, name: str) -> None:
        (self.acceptors if name.startswith("a") else self.proposers)[name] = None  # type: ignore[index]

    def begin(self, name: str) -> None:
        proposer = self.proposers[name]
        assert proposer is not None, name
        self._tell_acceptors(name, proposer.begin())

    def tick(self, name: str) -> None:
        proposer = self.proposers[name]
        prepare = None if proposer is None else proposer.tick()
        if prepare is not None:
            self._tell_acceptors(name, prepare)

    # --- messages ---

    def deliver(self, frame: Frame, *, dies: str = "") -> None:
        """`dies`: the acceptor crashes "before" its write is durable, or "after" that and before its answer leaves."""
        if isinstance(frame.message, Prepare | Accept):
            self._ask(frame.source, frame.destination, frame.message, dies)
            return
        if isinstance(frame.message, Accepted) and frame.destination == "l":
            self.learner.receive(frame.source, frame.message)
            self._learned(self.learner.chosen)
            return
        proposer = self.proposers[frame.destination]
        if proposer is not None:
            say = proposer.receive(frame.source, frame.message)  # type: ignore[arg-type]
            self._learned(proposer.chosen)
            if say is not None:
                self._tell_acceptors(frame.destination, say)

    def _ask(self, source: str, name: str, message: Prepare | Accept, dies: str) -> None:
        acceptor = self.acceptors[name]
        if acceptor is None:
            return
        answer = acceptor.receive(message)
        if dies == "before":
            self.crash(name)
            return
        if answer.write is not None and self.cast.acceptors_persist:
            if answer.write.promised < self.disks[name].promised:
                raise Broken(f"{name} forgets its promise: {self.disks[name]} then {answer.write}")
            self.disks[name] = answer.write
        if dies == "after":
            self.crash(name)
            return
        # Whoever began the ballot is told too: it stands in the frame's source.
        self.under_way.append(Frame(name, source, answer.reply))
        if isinstance(answer.reply, Accepted):
            self._voted(name, answer.reply)
            self.under_way.append(Frame(name, "l", answer.reply))

    def _tell_acceptors(self, name: str, message: Prepare | Accept) -> None:
        if isinstance(message, Prepare):
            self.rounds[name] = max(self.rounds[name], message.ballot.round)
        elif self.values.setdefault(message.ballot, message.value) != message.value:
            raise Broken(f"two values in ballot {message.ballot}")
        self.under_way += [Frame(name, acceptor, message) for acceptor in self.disks]

    # --- invariants ---

    def _voted(self, name: str, vote: Accepted) -> None:
        if self.votes.setdefault((name, vote.ballot), vote.value) != vote.value:
            raise Broken(f"{name} votes twice in {vote.ballot}")
        self._vote_is_safe(vote)
        count = sum(ballot == vote.ballot for _, ballot in self.votes)
        if count >= majority(self.acceptor_count):
            self.chosen.add(vote.value)
        if len(self.chosen) > 1:
            raise Broken(f"chosen twice: {sorted(self.chosen)}")

    def _vote_is_safe(self, vote: Accepted) -> None:
        """No other value was chosen in an older ballot, or can still be: too many have voted otherwise or promised not to."""
        for ballot in sorted({ballot for _, ballot in self.votes if ballot < vote.ballot}):
            for value in {value for (_, other), value in self.votes.items() if other == ballot and value != vote.value}:
                able = sum(
                    self.votes.get((name, ballot), value if self._may_yet_vote(name, ballot) else b"") == value for name in self.disks
                )
                if able >= majority(self.acceptor_count):
                    raise Broken(f"{vote.value!r} is voted for in {vote.ballot}, though {value!r} may be chosen in {ballot}")

    def _may_yet_vote(self, name: str, ballot: Ballot) -> bool:
        acceptor = self.acceptors[name]
        promised = self.disks[name].promised if acceptor is None else acceptor.state.promised
        return ballot >= promised

    def _learned(self, value: bytes | None) -> None:
        if value is not None and value not in self.chosen:
            raise Broken(f"{value!r} is taken for chosen; chosen is {sorted(self.chosen)}")


def run(seed: int, cast: Cast = Cast(), steps: int = 400) -> Room:  # immutable
    """One random life: messages lost, late, twice and in any order; processes that die at any point and come back."""
    rng = Random(seed)
    room = Room(rng.choice((1, 2, 3, 3, 3, 4, 5)), rng.choice((1, 2, 3, 4)), cast, lambda name: Random(f"{seed}/{name}"))
    loss, twice, death = rng.choice((0.0, 0.1, 0.4, 0.6)), rng.choice((0.0, 0.2)), rng.choice((0.0, 0.05, 0.2))
    bids = rng.choice((0.01, 0.03, 0.1, 0.3))
    for _ in range(steps):
        name = rng.choice([*room.disks, *room.rounds])
        process = room.acceptors.get(name) or room.proposers.get(name)
        if process is None:
            room.start(name)
        elif rng.random() < death * 0.3:
            room.crash(name)
        elif name.startswith("p"):
            room.tick(name)
            if rng.random() < bids:
                room.begin(name)
        if not room.under_way:
            continue
        frame = room.under_way.pop(rng.randrange(len(room.under_way)))
        if rng.random() < twice:
            room.under_way.append(frame)
        if rng.random() >= loss:
            room.deliver(frame, dies=rng.choice(("before", "after")) if rng.random() < death else "")
    return room
