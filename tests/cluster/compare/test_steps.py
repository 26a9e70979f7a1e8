"""The steps of a run: which there are, what they give, and that nothing depends on who runs them."""

import msgpack
import pytest

from quorate.cluster.compare.crew import simulate
from quorate.cluster.compare.live import longest_gap_ms
from quorate.cluster.compare.rows import LAGS, LIVE, SECTIONS, Results
from quorate.cluster.compare.steps import HAND, Effort, Step, run, steps
from quorate.cluster.compare.subjects import UnknownEngine, check, defaults, known, paxos_bytes, subject, wire_bytes
from quorate.cluster.wire.codec import decode, encode
from quorate.protocols.paxos import Ballot, Prepare
from quorate.protocols.raft.messages import Commit

SMALL = Effort(2, (0, 50), shape_seeds_max=1, heavy_seeds_max=1)


def test_an_unknown_engine_lists_the_known() -> None:
    with pytest.raises(UnknownEngine, match=r"there is no engine 'chain'; there are raft, zab, kraft, multipaxos"):
        check(["raft", "chain"])


def test_engines_come_once_and_in_one_order() -> None:
    assert ("raft", "zab") == check(["zab", "raft", "zab"])
    assert "raft" == known()[0]


def test_engines_are_compared_with_a_nodes_default_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_TIMING__ELECTION_TIMEOUT_MS", "5000")

    for name in known():
        assert 1000 == defaults(name).timing.election_timeout_ms
        assert 100 == getattr(subject(name).options, "election_ticks", 100)


def test_a_message_is_as_long_as_the_frame_that_carries_it() -> None:
    """["m", [group, crc32, payload]] as a notification: cluster/runtime/peers.py."""
    message = Commit(term=3, index=700)
    frame = msgpack.packb((2, "m", ("default", 0xFFFFFFFF, encode(message))))

    assert len(frame) == wire_bytes(message)
    assert message == decode(encode(message))
    assert 0 < paxos_bytes(Prepare(Ballot(1, 1))) < 40


def test_the_steps_fill_every_line_that_the_simulator_can() -> None:
    made = steps(("raft",), Effort(1, LAGS))
    simulated = {row.key for section in SECTIONS if section is not LIVE for row in section.rows}
    cheap = [step for step in made if step.name in ("basic", "commits")]
    filled = {key for step in cheap for key in run(step)[0]}

    assert filled == {key for key in simulated if key.partition(".")[0] in ("write", "both", "batch", "idle", "read", "lease")}
    assert {"basic", "commits", "election", "lag", "catch-up", "partition"} == {step.name for step in made}


def test_who_runs_the_steps_and_in_which_order_changes_nothing() -> None:
    chosen = [step for step in steps(("raft", "zab"), SMALL) if step.name in ("election", "lag", "basic")]
    shown: list[str] = []

    def found(work: list[Step], workers: int) -> Results:
        results = Results(("raft", "zab"))
        simulate(work, results, lambda done, words: shown.append(words), workers)
        return results

    here, there = found(chosen, 1), found(list(reversed(chosen)), 2)

    assert here.cells == there.cells
    assert list(here.cells) == list(there.cells)
    assert len(shown) == 2 * len(chosen)
    assert [] == here.missing


def test_an_engine_without_elections_is_shown_as_by_hand() -> None:
    cells, missing = run(Step("logship", "election", SMALL, 1.0, "closed 3"))

    assert ({f"election.closed.3.{what}" for what in ("ms", "served", "messages", "rounds")}, {HAND}) == (set(cells), set(cells.values()))
    assert [] == missing


def test_what_an_engine_did_not_do_in_its_time_is_missing_with_the_reason() -> None:
    """Fifty writes are left in the log: there is nothing to stream a snapshot for."""
    cells, missing = run(Step("raft", "catch-up", Effort(1, (), catch_up_lag=50), 1.0, "snapshot"))

    assert {} == cells
    assert ["raft, seed 0: caught up by the log, where a snapshot was to be measured"] == missing


def test_one_reason_for_many_steps_is_told_once() -> None:
    """Two steps of which each fails in the same way; the seed is part of the reason."""
    effort = Effort(1, (), catch_up_lag=50)
    work = [Step("raft", "catch-up", effort, weight, "snapshot") for weight in (1.0, 2.0)]
    results = Results(("raft",))
    simulate(work, results, lambda done, words: None, 1)

    why = "raft, seed 0: caught up by the log, where a snapshot was to be measured"
    assert [("raft: catch-up snapshot, catch-up snapshot", why)] == results.missing


@pytest.mark.parametrize(
    ("ended", "gap_ms"),
    [
        ([1.0, 2.0, 3.0, 3.5, 4.0, 5.9], 1900.0),  # the pause from 4.0 to 5.9; those before the kill at 3.2 do not count
        ([1.0, 3.0], 3000.0),  # nothing came back before 6.0
        ([], 2800.0),
    ],
)
def test_the_gap_of_a_failover_is_the_longest_pause_after_the_kill(ended: list[float], gap_ms: float) -> None:
    assert gap_ms == pytest.approx(longest_gap_ms(ended, killed=3.2, until=6.0))
