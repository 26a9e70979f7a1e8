"""Every engine that a configuration can name is made from it."""

from pathlib import Path
from random import Random

import pytest

from quorate.cluster.runtime.config import ENGINES, NodeConfig
from quorate.cluster.runtime.engines import make_core
from quorate.protocols.core import Configuration, Member, Recovered
from quorate.protocols.kraft import KRaft
from quorate.protocols.multipaxos import MultiPaxos
from quorate.protocols.raft import HardState, Raft
from quorate.protocols.zab import Zab

LISTENER = {"listen": "127.0.0.1:0"}


def config(engine: str, **more: object) -> NodeConfig:
    member = {"number": 1, "peer": "127.0.0.1:1", "client": "127.0.0.1:2"}
    fields = {"cluster": "c", "node": "n1", "data": Path("data"), "peer": LISTENER, "client": LISTENER, "members": {"n1": member}}
    return NodeConfig(**fields, engine=engine, **more)  # type: ignore[arg-type]


def test_the_engine_that_is_configured_is_made() -> None:
    members = Configuration((Member("n1", 1),))
    made = [type(make_core(config(engine), members, Random(1), 1, Recovered())) for engine in ENGINES]

    assert [Raft, Zab, KRaft, MultiPaxos] == made


def test_the_log_of_another_engine_is_not_taken() -> None:
    with pytest.raises(TypeError, match="this log was written by another engine: its promise is a HardState"):
        make_core(config("zab"), Configuration(), Random(1), 2, Recovered(promise=HardState(1, "")))


def test_priorities_are_refused_where_they_would_do_nothing() -> None:
    with pytest.raises(ValueError, match="zab elects the longest history, then the highest number"):
        config("zab", priority=3, target_priority=3)
    with pytest.raises(ValueError, match="multipaxos elects whoever prepares first; leave out priority"):
        config("multipaxos", priority=3, target_priority=3)
