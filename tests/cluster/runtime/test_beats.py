"""Coalesced heartbeats: one frame for all groups, and each row judged as if it had come alone."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from random import Random

import msgpack
import pytest

from quorate.cluster.runtime.beats import ROWS_MAX, Gathering, alone, apart
from quorate.cluster.runtime.clock import ManualClock
from quorate.cluster.runtime.driver import Driver
from quorate.cluster.runtime.peers import GroupTransport
from quorate.cluster.runtime.pulse import Pulse
from quorate.cluster.wire.codec import decode
from quorate.cluster.wire.rpc import Outbox
from quorate.protocols.core import Configuration, Effects, Entry, Member, Message, NodeId, Storage
from quorate.protocols.raft import RaftOptions, raft
from quorate.protocols.raft.engine import Raft
from quorate.protocols.raft.messages import Append, Heartbeat, HeartbeatReply, Vote
from tests.cluster.runtime.test_peers import Node, dialled, hello, until
from tests.cluster.runtime.world import NoDisk

GROUPS = ("orders", "users", "stock")


class Listener(Node):
    """A node that notes who said what in which group, and counts its frames."""

    def __init__(self, name: NodeId) -> None:
        super().__init__(name)
        self.heard: list[tuple[str, Message]] = []

    def _on_message(self, group: str, sender: NodeId, message: Message) -> None:
        self.heard.append((group, message))


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Listener, Listener]]:
    """n1 has a link to n2."""
    here, there = Listener("n1"), Listener("n2")
    await here.listen()
    await there.listen()
    here.network.connect({"n2": there.address})
    await until(lambda: here.is_up("n2"))
    yield here, there
    for node in (here, there):
        await node.network.close()


async def test_heartbeats_of_one_turn_are_one_frame_and_each_comes_to_its_own_group(pair: tuple[Listener, Listener]) -> None:
    here, there = pair
    said: list[tuple[str, Message]] = [(group, Heartbeat(term, 10 * term, 100 * term)) for term, group in enumerate(GROUPS, 1)]
    for group, message in said:
        GroupTransport(here.network, group).send("n2", message)
    await until(lambda: len(there.heard) == len(said))

    assert said == there.heard
    assert (3, 1) == (here.network.sent_count, here.network.frame_count)


async def test_answers_are_a_frame_of_their_own_and_appends_never_wait_for_company(pair: tuple[Listener, Listener]) -> None:
    here, there = pair
    append = Append(1, 0, 0, 0, 1, b"")
    for group in GROUPS:
        transport = GroupTransport(here.network, group)
        transport.send("n2", Heartbeat(1, 2, 3))
        transport.send("n2", HeartbeatReply(1, 3, 9))
        transport.send("n2", append)
    await until(lambda: len(there.heard) == 9)

    assert 2 + 3 == here.network.frame_count
    assert [(group, append) for group in GROUPS] == there.heard[:3]
    assert {(group, HeartbeatReply(1, 3, 9)) for group in GROUPS} < set(there.heard[3:])


async def test_a_lone_heartbeat_travels_as_any_other_message() -> None:
    frames: list[bytes] = []
    gathering = Gathering(Outbox(), frames.append)
    gathering.add("orders", Heartbeat(1, 2, 3))
    gathering.flush()

    assert [alone("orders", Heartbeat(1, 2, 3))] == frames


async def test_more_groups_than_fit_a_frame_take_several(pair: tuple[Listener, Listener]) -> None:
    here, there = pair
    for number in range(2 * ROWS_MAX + 1):
        GroupTransport(here.network, f"g{number}").send("n2", Heartbeat(1, 0, number))
    await until(lambda: len(there.heard) == 2 * ROWS_MAX + 1)

    assert 3 == here.network.frame_count
    assert [(f"g{number}", Heartbeat(1, 0, number)) for number in range(2 * ROWS_MAX + 1)] == there.heard


async def test_of_a_frame_only_the_rows_of_groups_that_know_the_disk_are_heard(pair: tuple[Listener, Listener]) -> None:
    here, there = pair
    there.network.group_changed("users", Configuration((Member("n1", 1, "a lost disk"),), index=3))
    for group in GROUPS:
        GroupTransport(here.network, group).send("n2", HeartbeatReply(1, 2, 3))
    await until(lambda: len(there.heard) == 2)

    assert ["orders", "stock"] == [group for group, _ in there.heard]
    assert 1 == there.network.strange_count


def rows(*rows: object) -> bytes:
    return msgpack.packb(rows)


@pytest.mark.parametrize(
    ("tag", "payload", "words"),
    [
        (49, rows(), "tag 49 do not travel together"),
        (Append.tag, rows(), f"tag {Append.tag} do not travel together"),
        (Heartbeat.tag, b"\xc1", "not msgpack rows"),
        (Heartbeat.tag, msgpack.packb(7), "expected rows"),
        (Heartbeat.tag, rows(()), "expected a row"),
        (Heartbeat.tag, rows((7, 1, 2, 3)), "expected a row"),
        (Heartbeat.tag, rows(("orders", 1, 2)), "3 fields"),
        (Heartbeat.tag, rows(("orders", 1, 2, "x")), "Heartbeat.round"),
        (Heartbeat.tag, rows(("orders", 1, True, 3)), "Heartbeat.commit"),
    ],
)
def test_rows_that_are_none_are_refused_with_what_was_expected(tag: int, payload: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(apart(tag, payload))


async def test_a_damaged_frame_closes_its_connection_and_is_counted() -> None:
    node = await Listener("n1").listen()
    payload = rows(("orders", 1, 2, 3), ("users", 1, 2, 3))
    good, bad = zlib.crc32(payload), 1
    beats = [[2, "b", [Heartbeat.tag, crc, payload]] for crc in (good, bad)]
    reader, _ = await dialled(node, hello("n2", node), *beats)
    await reader.read()

    assert 2 == len(node.heard)  # type: ignore[attr-defined]
    assert 1 == node.network.corrupt_count
    await node.network.close()


class Wire:
    """Between the groups of two nodes: every turn's frames are noted, and carried when the test says so."""

    def __init__(self, leaders: int) -> None:
        self.clock = ManualClock()
        self.outbox = Outbox()
        self.pulse = Pulse(self.clock, self.outbox.flush)
        self.frames: list[bytes] = []
        self.alone: list[tuple[str, Message]] = []
        self.beats = Gathering(self.outbox, lambda frame: self.frames.append(frame))
        self.groups = {f"g{number}": Group(self, f"g{number}") for number in range(leaders)}

    async def beat(self) -> None:
        self.clock.advance(10)
        self.pulse._beat()
        assert self.pulse._timer is not None
        self.pulse._timer.cancel()
        for _ in range(4):
            await asyncio.sleep(0)


class Group:
    """The leader of one group on n1; its only follower is the test."""

    def __init__(self, wire: Wire, name: str) -> None:
        members = Configuration((Member("n1", 1, "disk-1"), Member("n2", 2, "disk-2")))
        options = RaftOptions(election_ticks=60, heartbeat_ticks=10, lease_ticks=15, beats_together=True, starts_quickly=True)
        self.wire, self.name = wire, name
        self.core: Raft = raft("n1", members, options, Random(name), 1, None, None, [])
        storage: Storage = NoDisk()
        self.driver = Driver(self.core, storage, self, wire.pulse, self)

    def send(self, to: NodeId, message: Message) -> None:
        if message.is_beat:
            self.wire.beats.add(self.name, message)
        else:
            self.wire.alone.append((self.name, message))

    def feed(self) -> None: ...

    def carry(self, effects: Effects) -> None: ...

    def apply(self) -> None: ...

    def look(self) -> None: ...

    def fail(self, error: Exception) -> None:
        raise error


async def led(wire: Wire) -> None:
    """n2 votes for n1 in every group, and says that it has whatever it is sent."""
    from quorate.protocols.log import unpack
    from quorate.protocols.raft.messages import Appended, PreVote, PreVoteReply, VoteReply

    for group in wire.groups.values():
        group.driver.start()
    for _ in range(200):
        await wire.beat()
        alone, wire.alone = wire.alone, []
        for name, message in alone:
            driver = wire.groups[name].driver
            match message:
                case PreVote():
                    driver.receive("n2", PreVoteReply(message.term, message.term, True))
                case Vote():
                    driver.receive("n2", VoteReply(message.term, True))
                case Append() as append:
                    entries: list[Entry] = unpack(append.entries) if append.entries else []
                    match = entries[-1].index if entries else append.previous_index
                    driver.receive("n2", Appended(append.term, match, append.round))
        answer(wire)
        if all(group.core.state.commit == 1 for group in wire.groups.values()):
            return
    raise AssertionError("not every group is led")


def rows_of(frame: bytes) -> list[tuple[str, Message]]:
    """(group, message) of each heartbeat in a frame."""
    match msgpack.unpackb(frame):
        case [2, "b", [tag, _, payload]]:
            return list(apart(tag, payload))
        case [2, "m", [group, _, payload]]:
            return [(group, decode(payload))]
    raise AssertionError(frame)


async def until_they_beat(wire: Wire) -> None:
    for _ in range(20):
        if wire.frames:
            return
        await wire.beat()
    raise AssertionError("nobody beats")


def answer(wire: Wire, term: dict[str, int] | None = None) -> None:
    """n2 answers the heartbeats that left, each in its group and its term."""
    frames, wire.frames = wire.frames, []
    for frame in frames:
        for group, message in rows_of(frame):
            assert isinstance(message, Heartbeat)
            wire.groups[group].driver.receive("n2", HeartbeatReply((term or {}).get(group, message.term), message.round, 1))


async def test_groups_that_were_won_at_different_ticks_beat_at_the_same_one() -> None:
    wire = Wire(20)
    await led(wire)
    won = {group.core.state.role.heartbeat_at % 10 for group in wire.groups.values()}  # type: ignore[union-attr]
    sizes = []
    for _ in range(100):
        await wire.beat()
        sizes += [len(rows_of(frame)) for frame in wire.frames]
        answer(wire)

    assert {0} == won
    assert [20] * 10 == sizes, "one frame in ten ticks, with all groups in it"


async def test_an_answer_counts_in_its_own_group_alone() -> None:
    """What would break a lease or a read: an answer credited to another group, or one of a former term."""
    wire = Wire(3)
    await led(wire)
    await until_they_beat(wire)
    rounds = {name: group.core.state.role.round for name, group in wire.groups.items()}  # type: ignore[union-attr]
    [frame] = wire.frames
    said = dict(rows_of(frame))
    assert {name: Heartbeat(group.core.state.term, 1, rounds[name]) for name, group in wire.groups.items()} == said

    wire.groups["g1"].driver.receive("n2", HeartbeatReply(wire.groups["g1"].core.state.term, rounds["g1"], 1))
    wire.groups["g2"].driver.receive("n2", HeartbeatReply(wire.groups["g2"].core.state.term - 1, rounds["g2"], 1))
    await asyncio.sleep(0)
    confirmed = {name: group.core.state.role.confirmed_round == rounds[name] for name, group in wire.groups.items()}  # type: ignore[union-attr]

    assert {"g0": False, "g1": True, "g2": False} == confirmed


async def test_an_answer_of_a_later_term_ends_the_leadership_of_its_group_alone() -> None:
    wire = Wire(3)
    await led(wire)
    await until_they_beat(wire)
    answer(wire, {"g1": 9})
    await asyncio.sleep(0)

    assert {"g0": "n1", "g1": None, "g2": "n1"} == {name: group.core.leader for name, group in wire.groups.items()}
    assert 9 == wire.groups["g1"].core.state.term
