"""The client port's methods: what each asks of the replica, and what nobody may ask."""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path

import pytest

from quorate.cluster.runtime.replica import Replica
from quorate.cluster.service.rpc import ClientService, decode_change
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.wire.errors import BadRequest, QuorateError, TooLarge, Unavailable
from quorate.protocols.core import AddLearner, Member, Promote, Remove
from tests.cluster.runtime.world import World


class Connection:
    """What was answered, by request id."""

    def __init__(self) -> None:
        self.replies: dict[int, object] = {}
        self.errors: dict[int, QuorateError] = {}
        self.takes_more = True

    def reply(self, id: int, result: object) -> None:
        self.replies[id] = result

    def fail(self, id: int, error: QuorateError) -> None:
        self.errors[id] = error


class Serving:
    """A node with one replica."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connection = Connection()
        self.tasks: list[asyncio.Task[None]] = []
        self.methods = ClientService(self).methods()

    def replica(self, group: str) -> Replica:
        if group != "default":
            raise BadRequest(f"no group {group!r} here; there are: default")
        return self.world.replica

    def status(self) -> Mapping[str, object]:
        return {"ready": True}

    def status_of(self, group: str) -> Mapping[str, object]:
        return self.status()

    def identity(self) -> Mapping[str, object]:
        return {"node": "n1"}

    def start(self, work: Coroutine[object, object, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def ask(self, id: int, method: str, *params: object) -> None:
        self.methods[method].handler(self.connection, id, *params)

    async def finish(self) -> None:
        """What these raise would have ended the node."""
        while self.tasks:
            await self.tasks.pop()


@pytest.fixture
async def serving(tmp_path: Path) -> Serving:
    return Serving(await World(tmp_path).begin())


async def test_a_node_answers_who_and_how_it_is(serving: Serving) -> None:
    serving.ask(1, "ping")
    serving.ask(2, "identity")
    serving.ask(3, "status")

    assert {1: "pong", 2: {"node": "n1"}, 3: {"ready": True}} == serving.connection.replies


async def test_a_snapshot_that_the_disk_refuses_is_an_error_of_that_request(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    serving = Serving(await World(tmp_path, files=files).begin())
    await serving.world.commit_words(b"a")
    files.faults = Faults(free_bytes=0)
    serving.ask(1, "snapshot", "default")
    await serving.finish()

    assert isinstance(serving.connection.errors[1], Unavailable)
    assert "" == serving.world.replica.failure


async def test_a_snapshot_is_answered_by_what_it_holds(serving: Serving) -> None:
    await serving.world.commit_words(b"a")
    serving.ask(1, "snapshot", "default")
    await serving.finish()
    answer = serving.connection.replies[1]

    assert isinstance(answer, dict)
    assert (1, 1, 2) == (answer["index"], answer["term"], answer["size"])


async def test_a_command_beyond_the_limit_and_a_read_of_no_known_promise_are_refused(serving: Serving) -> None:
    with pytest.raises(TooLarge):
        serving.ask(1, "propose", "default", bytes(3 << 20))
    with pytest.raises(BadRequest, match="0 linearizable, 1 leader, 2 local"):
        serving.ask(2, "query", "default", 3, b"")
    with pytest.raises(BadRequest, match="'other'"):
        serving.ask(3, "propose", "other", b"")


async def test_a_transfer_to_nobody_in_particular_goes_to_the_best_successor(serving: Serving) -> None:
    with pytest.raises(BadRequest, match="no other voter"):
        serving.ask(1, "transfer", "default", "")


def test_membership_changes_are_read_from_their_rows() -> None:
    added = Member("n4", 4, "disk-4", voter=False, promote=True, peer_address="h:1", client_address="h:2")

    assert AddLearner(added) == decode_change(["add", "n4", 4, "disk-4", True, "h:1", "h:2"])
    assert Promote("n4") == decode_change(["promote", "n4"])
    assert Remove("n4") == decode_change(["remove", "n4"])


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (["add", "", 4, "disk-4", True, "h:1", "h:2"], "a name is"),
        (["add", "n 4", 4, "disk-4", True, "h:1", "h:2"], "a name is"),
        (["add", "n4", 0, "disk-4", True, "h:1", "h:2"], "a number is 1 to 255, not 0"),
        (["add", "n4", 256, "disk-4", True, "h:1", "h:2"], "not 256"),
        (["add", "n4", -1, "disk-4", True, "h:1", "h:2"], "not -1"),
        (["add", "n4", 4, "", True, "h:1", "h:2"], "storage id"),
        (["add", "n4", 4, "x" * 1_000, True, "h:1", "h:2"], "storage id"),
        (["add", "n4", 4, "disk-4", True, "nowhere", "h:2"], "host:port"),
        (["add", "n4", 4, "disk-4", True, "h:99999", "h:2"], "host:port"),
        (["add", "n4", 4, "disk-4", True, "h:1", "nowhere"], "host:port"),
        (["add", "n4", 4, "disk-4"], "not a membership change"),
        (["remove", 4], "not a membership change"),
        ([], "not a membership change"),
    ],
)
def test_a_member_that_makes_no_sense_never_reaches_the_log(row: list[object], complaint: str) -> None:
    """Every node would read it for ever: a number out of range ended the node of that name, an address its link."""
    with pytest.raises(BadRequest, match=complaint):
        decode_change(row)
