"""Every engine that a configuration can name is made from it."""

from pathlib import Path
from random import Random

import pytest

from quorate.cluster.runtime.config import ENGINES, NodeConfig
from quorate.cluster.runtime.engines import logship_options, make_core
from quorate.protocols.core import Configuration, Member, Recovered
from quorate.protocols.fastpaxos import FastPaxos
from quorate.protocols.kraft import KRaft
from quorate.protocols.logship import Logship, LogshipOptions, Tenure
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

    assert [Raft, Zab, KRaft, MultiPaxos, FastPaxos, Logship] == made


def test_the_log_of_another_engine_is_not_taken() -> None:
    with pytest.raises(TypeError, match="this log was written by another engine: its promise is a HardState"):
        make_core(config("zab"), Configuration(), Random(1), 2, Recovered(promise=HardState(1, "")))


@pytest.mark.parametrize("engine", [one for one in ENGINES if one != "logship"])
def test_log_shipping_and_the_others_take_each_others_logs_for_what_they_are(engine: str) -> None:
    with pytest.raises(TypeError, match="this log was written by another engine: its promise is a Tenure"):
        make_core(config(engine), Configuration(), Random(1), 2, Recovered(promise=Tenure(1001, "n1", "")))
    with pytest.raises(TypeError, match="this log was written by another engine: its promise is a HardState"):
        make_core(config("logship"), Configuration(), Random(1), 2, Recovered(promise=HardState(1, "")))


def test_the_modes_of_log_shipping_are_checked() -> None:
    def mode(engine: str = "logship", **fields: object) -> LogshipOptions:
        return logship_options(config(engine, logship=fields))

    semisync = mode(mode="semisync", acks=2, ack_timeout_ms=50)

    assert (True, 2, 5) == (semisync.semisync, semisync.acks, semisync.ack_timeout_ticks)
    assert not mode().semisync
    with pytest.raises(ValueError, match="Input should be 'async' or 'semisync'"):
        mode(mode="sync")
    with pytest.raises(ValueError, match='acks and ack_timeout_ms are for mode = "semisync": mode async waits for nobody'):
        mode(acks=2)
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        mode(mode="semisync", acks=0)
    with pytest.raises(ValueError, match='logship: these settings are for engine = "logship", not raft; leave out the section'):
        mode("raft", mode="semisync")


def test_priorities_are_refused_where_they_would_do_nothing() -> None:
    with pytest.raises(ValueError, match="zab elects the longest history, then the highest number"):
        config("zab", priority=3, target_priority=3)
    with pytest.raises(ValueError, match="logship elects nobody, people promote; leave out priority"):
        config("logship", priority=3, target_priority=3)
    with pytest.raises(ValueError, match="multipaxos elects whoever prepares first; leave out priority"):
        config("multipaxos", priority=3, target_priority=3)
