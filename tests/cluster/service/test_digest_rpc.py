"""The digest of a state: equal where the same entries were applied, however the node came to them."""

from pathlib import Path

import pytest

from quorate.cluster.runtime.replica import Replica
from quorate.cluster.service import commands
from quorate.cluster.service.commands import encode
from quorate.cluster.service.digest_rpc import digest
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.wire.errors import Unavailable
from quorate.protocols.core import Entry, Kind
from quorate.protocols.sessions import Sessions, in_session, open_session
from tests.cluster.runtime.world import World


async def replica_of(path: Path, *written: bytes) -> Replica:
    world = await World(path, Sessions(KeyValue())).begin()
    opened = open_session(b"n" * 16, 60_000)
    envelopes = [in_session(1, at, 0, encode(commands.put(b"k", value))) for at, value in enumerate(written, 1)]
    await world.commit(*(Entry(at, 2, 0, Kind.COMMAND, data) for at, data in enumerate([opened, *envelopes], 1)))
    return world.replica


async def test_equal_logs_give_equal_digests_and_unequal_ones_do_not(tmp_path: Path) -> None:
    one, other = await replica_of(tmp_path / "1", b"a", b"b"), await replica_of(tmp_path / "2", b"a", b"b")
    differs = await replica_of(tmp_path / "3", b"a", b"c")
    first = await digest(one)

    assert (3, 2) == (first["index"], first["term"])
    assert first == await digest(other)
    assert first["digest"] != (await digest(differs))["digest"]


async def test_a_state_that_came_as_a_snapshot_has_the_digest_of_its_log(tmp_path: Path) -> None:
    one, other = await replica_of(tmp_path / "1", b"a", b"b"), await replica_of(tmp_path / "2")
    for _ in other.applier.machine.restore(list(one.applier.machine.freeze()())):
        pass

    assert (await digest(one))["digest"] == (await digest(other))["digest"]


async def test_a_replica_that_stopped_gives_none(tmp_path: Path) -> None:
    replica = await replica_of(tmp_path / "1", b"a")
    replica.stop()
    with pytest.raises(Unavailable):
        await digest(replica)
