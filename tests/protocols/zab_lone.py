"""One ZAB node and what it says, for step-by-step tests: the test plays all the others."""

from dataclasses import replace
from random import Random

from quorate.protocols.core import (
    COUNTER_BITS,
    Configuration,
    Effects,
    Entry,
    Kind,
    Member,
    Message,
    NodeId,
    Note,
    Refused,
    Snapshot,
    Transfer,
)
from quorate.protocols.log import pack
from quorate.protocols.zab import Epochs, Zab, ZabOptions
from quorate.protocols.zab.messages import (
    LEADING,
    LOOKING,
    AckEpoch,
    AckNewLeader,
    Diff,
    FollowerInfo,
    LeaderInfo,
    NewLeader,
    Notification,
    Proposal,
    UpToDate,
)

OPTIONS = ZabOptions(
    election_ticks=20, discovery_ticks=60, heartbeat_ticks=2, lease_ticks=5, settle_ticks=3, notify_ticks_max=4, retry_ticks=4
)
THREE = Configuration(tuple(Member(f"n{number}", number) for number in (1, 2, 3)))
FIVE = Configuration(tuple(Member(f"n{number}", number) for number in (1, 2, 3, 4, 5)))


def history(*terms: int) -> list[Entry]:
    """One entry for each term, from index 1."""
    return [Entry(index, term, 0, Kind.COMMAND, b"%d" % index) for index, term in enumerate(terms, 1)]


class Lone:
    """`said` is all that left, in order; what must wait for the disk leaves with `sync`."""

    def __init__(
        self,
        node: NodeId = "n1",
        members: Configuration = THREE,
        *,
        accepted: int = 0,
        current: int = 0,
        entries: list[Entry] | None = None,
        snapshot: Snapshot | None = None,
        options: ZabOptions = OPTIONS,
        started: bool = True,
    ) -> None:
        promise = Epochs(accepted, current) if accepted else None
        self.core = Zab(node, members, options, Random(1), 1, promise, snapshot, list(entries or []))
        self.said: list[tuple[NodeId, Message]] = []
        self.held: list[Effects] = []
        self.notes: list[Note] = []
        self.refused: list[Refused] = []
        self.committed: list[int] = []
        self.transfers: list[Transfer] = []
        self.sequence: dict[NodeId, int] = {}
        self.stamps = 0
        self.take()
        if started:
            self.core.promises.release()
            self.sync()

    def take(self) -> Effects | None:
        effects = self.core.take()
        if effects is not None:
            self.said += [(send.to, send.message) for send in effects.sends]
            self.held.append(effects)
            self.notes += effects.notes
            self.refused += effects.refused
            self.transfers += effects.transfers
            self.committed += [entry.index for entry in effects.committed]
        return effects

    def sync(self) -> None:
        """Everything taken so far is durable, and so is what comes of that."""
        while self.held:
            batches, self.held = self.held, []
            for effects in batches:
                self.said += [(send.to, send.message) for send in effects.sends_after_sync]
            self.core.synced(batches[-1].serial)
            self.take()

    def hear(self, sender: NodeId, message: Message, *, sync: bool = True) -> None:
        self.core.receive(sender, message)
        self.take()
        if sync:
            self.sync()

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.core.tick()
            self.take()
            self.sync()

    def kinds(self, to: NodeId | None = None) -> list[str]:
        return [type(message).__name__ for name, message in self.said if to in (None, name)]

    def last(self, kind: type[Message]) -> Message:
        return next(message for _, message in reversed(self.said) if isinstance(message, kind))

    def count(self, kind: type[Message]) -> int:
        return sum(isinstance(message, kind) for _, message in self.said)

    # What others say

    def note(self, sender: NodeId, **facts: int | str) -> Notification:
        """The sender's vote, by default for itself and for an empty history; it shows that it hears us."""
        self.stamps += 1
        echo = (1 << COUNTER_BITS) | self.core.state.timer
        plain = Notification(LOOKING, 1, sender, 0, 0, 0, int(sender[1:]), 0, (1 << COUNTER_BITS) | self.stamps, echo)
        return replace(plain, **facts)

    def votes(self, sender: NodeId, **facts: int | str) -> None:
        self.hear(sender, self.note(sender, **facts))

    def frame(self, sender: NodeId, link: int, make: type, *fields: int | bytes | str | bool) -> Message:
        self.sequence[sender] = self.sequence.get(sender, 0) + 1
        made: Message = make(link, self.sequence[sender], 0, *fields)
        return made

    # Shortcuts to a role

    def follow(self, leader: NodeId = "n3") -> int:
        """Elect `leader`, and give the number of our link to it."""
        voters = sorted(self.core.configuration.voters - {self.core.state.node})
        self.votes(leader, epoch=99, state=LEADING, number=0)
        for name in voters:
            if name != leader:
                self.votes(name, leader=leader, state=1, number=0, epoch=99)
        opening = self.last(FollowerInfo)
        assert isinstance(opening, FollowerInfo)
        return opening.link

    def accept(self, leader: NodeId, link: int, epoch: int) -> None:
        self.hear(leader, self.frame(leader, link, LeaderInfo, epoch))

    def serve(self, leader: NodeId = "n3", epoch: int = 1) -> int:
        """Follow `leader` into broadcast, from the history that we hold."""
        link = self.follow(leader)
        self.accept(leader, link, epoch)
        term, index = self.core.state.zxid
        self.hear(leader, self.frame(leader, link, Diff, term, index))
        self.hear(leader, self.frame(leader, link, NewLeader, epoch))
        self.hear(leader, self.frame(leader, link, UpToDate, 0))
        return link

    def elect(self) -> None:
        """Everybody votes for this node."""
        state = self.core.state
        ours = self.core.elections.own_ballot()
        for name in sorted(state.configuration.voters - {state.node}):
            self.votes(
                name,
                leader=state.node,
                epoch=ours.epoch,
                last_term=ours.last_term,
                last_index=ours.last_index,
                number=ours.number,
                round=state.election_round,
            )

    def joined(self, name: NodeId, accepted: int = 0, link: int = 1) -> None:
        self.sequence[name] = 0
        self.hear(name, self.frame(name, link, FollowerInfo, 1, accepted))

    def acked_epoch(
        self, name: NodeId, epoch: int, current: int = 0, term: int = 0, index: int = 0, *, counts: bool = True, link: int = 1
    ) -> None:
        self.hear(name, self.frame(name, link, AckEpoch, epoch, counts, current, term, index))

    def acked_leader(self, name: NodeId, epoch: int, index: int, link: int = 1) -> None:
        self.hear(name, self.frame(name, link, AckNewLeader, epoch, index))

    def lead(self) -> None:
        """Elected, followed and established in epoch 1 with an empty history."""
        self.elect()
        others = sorted(self.core.configuration.voters - {self.core.state.node})
        for name in others:
            self.joined(name)
        for name in others:
            self.acked_epoch(name, 1)
        for name in others:
            self.acked_leader(name, 1, 0)


def proposal(*entries: Entry) -> bytes:
    return pack(entries)


__all__ = ["FIVE", "OPTIONS", "THREE", "Lone", "Proposal", "history", "proposal"]
