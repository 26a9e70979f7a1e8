"""One KRaft node and what it says, for step-by-step tests: the test plays all the others."""

from random import Random
from typing import TypeVar

from quorate.protocols.core import Configuration, Effects, Entry, Kind, Member, Message, NodeId, Note, Refused, Snapshot, Transfer
from quorate.protocols.kraft import HardState, KRaft, KRaftOptions, Rules
from quorate.protocols.kraft.messages import BeginQuorumEpoch, Fetch
from quorate.protocols.terms.ballots import PreVoteReply, VoteReply
from quorate.protocols.terms.roles import Leader, PreCandidate

OPTIONS = KRaftOptions(election_ticks=20, heartbeat_ticks=4, fetch_retry_ticks=6, lease_ticks=5, margin_entries=0)
THREE = Configuration(tuple(Member(f"n{number}", number) for number in (1, 2, 3)))
AMPLE = OPTIONS.window_bytes
M = TypeVar("M", bound=Message)


def history(*epochs: int) -> list[Entry]:
    """One entry for each epoch, from offset 1."""
    return [Entry(index, epoch, 0, Kind.COMMAND, b"%d" % index) for index, epoch in enumerate(epochs, 1)]


class Lone:
    """`said` is all that left, in order; what must wait for the disk leaves with `sync`."""

    def __init__(
        self,
        *,
        epoch: int = 0,
        entries: list[Entry] | None = None,
        snapshot: Snapshot | None = None,
        members: Configuration = THREE,
        options: KRaftOptions = OPTIONS,
        rules: Rules | None = None,
        incarnation: int = 1,
    ) -> None:
        class Ruled(KRaft):
            pass

        Ruled.rules = rules or Rules()
        promise = HardState(epoch, "") if epoch else None
        self.core = Ruled("n1", members, options, Random(1), incarnation, promise, snapshot, list(entries or []))
        self.said: list[tuple[NodeId, Message]] = []
        self.held: list[Effects] = []
        self.notes: list[Note] = []
        self.refused: list[Refused] = []
        self.committed: list[int] = []
        self.reads: list[int] = []
        self.transfers: list[Transfer] = []
        self.truncated: list[int] = []

    def take(self, *, sync: bool = True) -> list[tuple[NodeId, Message]]:
        """End the turn; what the node said in it, and with `sync` what the disk then released too."""
        before = len(self.said)
        effects = self.core.take()
        if effects is not None:
            self.said += [(send.to, send.message) for send in effects.sends]
            self.notes += effects.notes
            self.refused += effects.refused
            self.committed += [entry.index for entry in effects.committed]
            self.reads += [ready.token for ready in effects.reads]
            self.transfers += effects.transfers
            self.truncated += [] if effects.truncate is None else [effects.truncate]
            self.held.append(effects)
        if sync and self.held:
            held, self.held = self.held, []
            for one in held:
                self.core.synced(one.serial)
                self.said += [(send.to, send.message) for send in one.sends_after_sync]
            self.take()
        return self.said[before:]

    def hear(self, sender: NodeId, message: Message, *, sync: bool = True) -> list[tuple[NodeId, Message]]:
        self.core.receive(sender, message)
        return self.take(sync=sync)

    def tick(self, count: int = 1) -> list[tuple[NodeId, Message]]:
        before = len(self.said)
        for _ in range(count):
            self.core.tick()
            self.take()
        return self.said[before:]

    def last(self, kind: type[M]) -> M:
        return next(message for _, message in reversed(self.said) if isinstance(message, kind))

    def follow(self, leader: NodeId = "n2", epoch: int = 1) -> Fetch:
        """Be told to fetch; the fetch."""
        self.hear(leader, BeginQuorumEpoch(epoch))
        return self.last(Fetch)

    def lead(self) -> "Lone":
        """Win an election by the vote of n2."""
        core = self.core
        while not isinstance(core.state.role, PreCandidate):
            self.tick()
        self.hear("n2", PreVoteReply(core.state.term, core.state.term, True))
        self.hear("n2", VoteReply(core.state.term, True))
        assert isinstance(core.state.role, Leader), core
        return self


def fetch(lone: Lone, number: int, offset: int, last_epoch: int, durable: int | None = None, **more: int) -> Fetch:
    """A follower's fetch, `number` its id."""
    fields = {"high_watermark": 0, "round": 0, "room": AMPLE} | more
    return Fetch(lone.core.state.term, number, offset, last_epoch, offset if durable is None else durable, **fields)
