"""The list-append checker: every anomaly by its own name, none in what a correct executor did, and all that an oracle finds."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from quorate.cluster.verify import checks, files
from quorate.cluster.verify.cycles import CYCLES_MAX
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.findings import FINDINGS_MAX
from quorate.cluster.verify.history import History
from quorate.cluster.verify.isolation import LEVELS
from quorate.cluster.verify.list_append import check_list_append
from quorate.cluster.verify.verdict import Answer, Budget, Verdict
from tests.cluster.verify.transactional import (
    FAILED,
    OK,
    UNKNOWN,
    history,
    mutated,
    read_at_the_end,
    serial_history,
    serializable,
    small_history,
    snapshot_history,
    snapshot_isolated,
    txn,
)


def check(history: History, level: str = "strict-serializable") -> Verdict:
    return check_list_append(history, Budget(), level)


def names(history: History, level: str = "strict-serializable") -> set[str]:
    return {finding.name for finding in check(history, level).findings}


def one_process(*texts: str) -> History:
    return History(tuple(txn(0, text, number * 2, number * 2 + 1) for number, text in enumerate(texts)))


PLANTED = [
    ({"G0"}, history("ax1 ay1", "ax2 ay2", "rx12 ry21")),
    ({"G0-process"}, one_process("ax1", "ax2", "rx21")),
    ({"G0-realtime"}, history("ax1", "ax2", "rx21", serial=True)),
    ({"G1a"}, history("!ax1", "rx1")),
    ({"G1a", "dirty update"}, history("!ax1", "ax2", "rx12")),
    ({"G1b"}, history("ax1 ax2", "rx1")),
    ({"G1b"}, history("ax1 ax2", "rx1", "rx12")),
    ({"G1c"}, history("ax1 ry1", "ay1 rx1")),
    ({"G1c-process"}, one_process("rx1", "ax1")),
    ({"G1c-realtime"}, history("rx1", "ax1", serial=True)),
    ({"G-single"}, history("ax1 ay1", "rx ry1")),
    ({"G-single"}, history("ax1 ay1", "rx ry1", "rx1")),
    ({"G-single-process"}, one_process("ax1", "rx")),
    ({"G-single-realtime"}, history("ax1", "rx", serial=True)),
    ({"G-single-realtime"}, History((txn(0, "ax1", 0, 2), txn(1, "ry", 1, 5), txn(2, "rz", 3, 9), txn(3, "rx", 6, 8)))),
    ({"G-nonadjacent"}, history("rx ry1", "ax1", "rx1 rz", "az1 ay1")),
    ({"G-nonadjacent-realtime"}, History((txn(0, "rx rz1", 0, 9), txn(1, "az1", 1, 8), txn(2, "ax1", 2, 3), txn(3, "rz", 4, 7)))),
    ({"G2"}, history("rx ay1", "ry ax1")),
    ({"G2"}, history("rx ay1", "ry ax1", "rx1 ry1")),
    ({"G2-realtime"}, History((txn(0, "ax1 ry", 0, 9), txn(1, "ay1", 1, 2), txn(2, "rx", 3, 4)))),
    ({"G2-process"}, History((txn(0, "ax1 ry", 0, 9), txn(1, "ay1", 1, 2), txn(1, "rx", 3, 4)))),
    ({"lost update", "G-single"}, history("rx ax1", "rx ax2", "rx12")),
    ({"lost update", "G2"}, history("rx ax1", "rx ax2")),
    ({"internal"}, history("ax1 rx")),
    ({"internal"}, history("ax1 rx12", "ax2")),
    ({"internal"}, history("rx1 ax1")),
    ({"non-repeatable read", "G-single"}, history("rx rx1", "ax1")),
    ({"incompatible order"}, history("ax1", "ax2", "rx12", "rx21")),
    ({"incompatible order", "G1b"}, history("ax1 ax2", "rx21")),
    ({"incompatible order"}, history("ax1 ax2", "rx2")),
    ({"incompatible order"}, history("?ax1 ax2", "ax3", "rx213")),
    ({"duplicate write"}, history("ax1", "rx11")),
    ({"duplicate write"}, history("ax1", "ax2", "rx121")),
    ({"garbage read"}, history("rx9")),
]


@pytest.mark.parametrize(("expected", "planted"), PLANTED, ids=lambda value: ", ".join(sorted(value)) if isinstance(value, set) else "")
def test_a_planted_anomaly_is_found_by_its_name_and_by_no_other(expected: set[str], planted: History) -> None:
    verdict = check(planted)

    assert Answer.INVALID is verdict.answer
    assert expected == {finding.name for finding in verdict.findings}


def test_what_looks_odd_and_is_not_wrong_is_not_found() -> None:
    for fine in (
        history("ax1 rx1 ax2 rx12", "rx12"),
        history("?ax1", "rx1"),
        history("?ax1 ay1", "rx ry"),
        history("?ax1 ay1", "rx1 ry1", "rx1"),
        history("rx", "ax1"),
        history("!ax1", "rx"),
        history("rx ax1", "ax2", "rx12"),
        History((txn(0, "ax1", 0, outcome=UNKNOWN), txn(1, "rx", 1, 2), txn(1, "rx1", 3, 4))),
        History(()),
    ):
        assert Answer.VALID is check(fine).answer, fine


def test_an_unknown_transaction_of_which_one_append_was_seen_must_show_the_others() -> None:
    seen_in_half = History((txn(0, "ax1 ay1", 0, outcome=UNKNOWN), txn(1, "rx1", 1, 2), txn(1, "ry", 3, 4)))

    assert {"G-single-process"} == names(seen_in_half)


def test_an_acknowledged_append_that_no_later_read_shows_is_found_even_if_nobody_ever_reads_it() -> None:
    assert {"G-single-realtime"} == names(history("ax1", "ax2", "rx1", "rx1", serial=True))


def test_each_edge_and_the_whole_cycle_are_explained_in_words() -> None:
    (finding,) = check(history("ax1 ay1", "ax2 ay2", "rx12 ry21")).findings

    assert "T1 < T2 < T1: their appends are interleaved: each wrote before the next, and the last before the first." == finding.why
    assert ["ww", "ww"] == [edge.kind for edge in finding.cycle]
    assert [
        "T2 appended 2 to 'x' right after T1's 1, as T3's read [1 2] shows.",
        "T1 appended 1 to 'y' right after T2's 2, as T3's read [2 1] shows.",
    ] == [edge.reason for edge in finding.cycle]

    (finding,) = check(history("ax1 ay1", "rx ry1", "rx1")).findings
    reasons = {
        "rw": "T2 read 'x' as [] and did not see 1, which T1 appended next, as T3's read [1] shows.",
        "wr": "T2 read 'y' as [1], which T1's append of 1 had made.",
    }
    assert reasons == {edge.kind: edge.reason for edge in finding.cycle}

    (finding,) = check(history("ax1", "rx", serial=True)).findings
    reasons = {
        "rw": "T2 read 'x' as [] and did not see 1, which T1 appended.",
        "realtime": "T1 had returned to process 0 before process 1 called T2.",
    }
    assert reasons == {edge.kind: edge.reason for edge in finding.cycle}

    (finding,) = check(History((txn(0, "ax1 ry1", 0, 3), txn(1, "ax2 ay1", 1, 4), txn(2, "rx1", 2, 5)))).findings
    reasons = {
        "ww": "T2 appended 2 to 'x'; T3's read [1] ends with T1's 1 and lacks it, so it came later.",
        "wr": "T1 read 'y' as [1], which T2's append of 1 had made.",
    }
    assert reasons == {edge.kind: edge.reason for edge in finding.cycle}

    (finding,) = check(one_process("ax1", "rx")).findings
    assert "Process 0 called T2 after T1 had returned to it." in [edge.reason for edge in finding.cycle]


def test_the_cycle_shown_is_the_shortest_one() -> None:
    # Each of the five reads what the next one appended, the last what the first did; the third also reads what the second did.
    (finding,) = check(history("ae1 ra1", "aa1 rb1", "ab1 rc1 ra1", "ac1 rd1", "ad1 re1")).findings

    assert ("G1c", 2) == (finding.name, len(finding.cycle))


def test_a_worse_cycle_is_shown_in_the_place_of_a_shorter_one_that_it_is_tied_to() -> None:
    # T1 to T3 overwrite each other in a circle; T1 and T4 only read each other.
    knot = history("ax1 az2 ae1 rd1", "ax2 ay1", "ay2 az1", "ad1 re1", "rx12 ry12 rz12")
    assert {"G0"} == names(knot)

    # T1 and T5 miss each other's appends; the four of a long fork are no anomaly that snapshots allow.
    fork = history("rx ry1 rw aq1", "ax1", "rx1 rz", "az1 ay1", "rq aw1")
    assert {"G-nonadjacent"} == names(fork)
    assert Answer.INVALID is check(fork, "snapshot-isolation").answer


def test_the_way_through_time_costs_no_length() -> None:
    # T1 returned long before T5 was called, with other returns and calls between; T2 and T3 make a longer way round.
    between = [txn(7, "aq1", 2, 3), txn(7, "aq2", 4, 5), txn(7, "aq3", 6, 7), txn(7, "aq4", 8, 9)]
    stale = History((txn(0, "ax1 ay1", 0, 1), *between, txn(2, "ry1 az1", 10, 20), txn(3, "rz1 aw1", 11, 21), txn(4, "rx rw1", 12, 22)))
    (finding,) = check(stale).findings

    assert "G-single" == finding.name
    lone = History((txn(0, "ax1", 0, 1), *between, txn(2, "ry", 10, 20), txn(4, "rx", 12, 22)))
    (finding,) = check(lone).findings
    assert ("G-single-realtime", 2) == (finding.name, len(finding.cycle))


def test_levels_differ_in_what_they_allow() -> None:
    skew, stale, torn = history("rx ay1", "ry ax1"), history("ax1", "rx", serial=True), history("ax1 ry1", "ay1 rx1")

    assert [False, False, False, True, True, True, True] == [Answer.VALID is check(skew, level).answer for level in LEVELS]
    assert [False, True, True, False, True, True, True] == [Answer.VALID is check(stale, level).answer for level in LEVELS]
    assert [False] * 7 == [Answer.VALID is check(torn, level).answer for level in LEVELS]
    fact = "strongest level not contradicted"
    assert "strong-snapshot-isolation" == check(skew).facts[fact]
    assert "strong-session-serializable" == check(stale).facts[fact]
    assert "none, not even read-committed" == check(torn).facts[fact]
    both = check(History((*skew.operations, txn(7, "az1", 20, 21), txn(8, "rz", 22, 23))), "read-committed")
    assert "strong-session-snapshot-isolation" == both.facts[fact]
    assert Answer.VALID is both.answer and "G2" in both.reason


def test_two_incomparable_levels_may_both_be_the_strongest() -> None:
    assert (
        "strong-session-serializable and strong-snapshot-isolation"
        == (check(History((txn(0, "ax1 ry", 0, 9), txn(1, "ay1", 1, 2), txn(2, "rx", 3, 4)))).facts["strongest level not contradicted"])
    )


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="there is no level 'linear'; there are strict-serializable, "):
        check(History(()), "linear")


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ((txn(0, "ax1", 0, 1, line=4), txn(1, "ax1", 2, 3, line=9)), "file:9: process 1: 1 is appended to 'x' a second time, after line 4"),
        ((txn(0, "ax1 ax1", 0, 1, line=4),), "file:4: process 0: 1 is appended to 'x' a second time"),
        ((txn(0, "ax1", 0, 1, FAILED, line=4), txn(1, "ax1", 2, 3, line=9)), "file:9: "),
        ((txn(0, (("w", "x", 1),), 0, 1, line=4),), "file:4: process 0: a step is .append, key, value. or .r, key, list."),
        ((txn(0, (("r", "x", 1),), 0, 1, line=4),), "file:4: process 0: a read's result is a list, not 1"),
    ],
)
def test_a_history_of_another_form_is_refused_with_its_line(operations: tuple, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(BadHistory, match=message):
        check(History(operations, source="file"))


def test_a_result_that_does_not_repeat_what_was_asked_is_refused() -> None:
    asked = txn(0, "ax1 rx1", 0, 1, line=3)
    for changes, message in (
        ({"result": asked.result[:1]}, "2 steps were asked for, the result has 1"),  # type: ignore[index]
        ({"result": (("append", "x", 2), ("r", "x", (2,)))}, "asked for"),
        ({"result": None}, "a transaction's result is a list of steps, not None"),
        ({"function": "read"}, "list-append knows no function 'read', only 'txn'"),
    ):
        with pytest.raises(BadHistory, match=message):
            check(History((replace(asked, **changes),)))  # type: ignore[arg-type]


def test_a_read_that_was_told_nothing_found_an_empty_list() -> None:
    assert {"G-single-realtime"} == names(History((txn(0, "ax1", 0, 1), txn(1, (("r", "x", None),), 2, 3))))


def test_out_of_budget_is_unknown_and_what_was_found_by_then_counts() -> None:
    fine, bad = history("ax1", "rx1", "rx1"), history("ax1", "rx1", "ay1 ry")

    assert Answer.UNKNOWN is check_list_append(fine, Budget(states_max=3)).answer
    assert Answer.UNKNOWN is (late := check_list_append(fine, Budget(seconds=-1))).answer and "-1 s were over" in late.reason
    assert "strongest level not contradicted" not in late.facts
    verdict = check_list_append(bad, Budget(states_max=3))
    assert Answer.INVALID is verdict.answer and "Not all was searched" in verdict.reason
    assert {"internal"} == {finding.name for finding in verdict.findings}


def test_findings_beyond_the_first_few_are_counted() -> None:
    many = [text for key in map(chr, range(ord("a"), ord("a") + 25)) for text in (f"r{key} a{key}1", f"r{key} a{key}2", f"r{key}12")]
    found = check(history(*many)).findings

    counts = Counter(finding.name for finding in found)
    beyond = Counter({finding.name: 0 for finding in found})
    for finding in found:
        beyond[finding.name] += finding.omitted
    assert {"lost update": FINDINGS_MAX, "G-single": CYCLES_MAX} == counts
    assert {"lost update": 25 - FINDINGS_MAX, "G-single": 25 - CYCLES_MAX} == beyond


# Against executors and oracles


def test_nothing_is_found_in_what_a_serial_executor_did() -> None:
    for seed in range(1_500):
        random = Random(seed)
        verdict = check(serial_history(random, random.randint(2, 30), random.randint(1, 4), random.randint(1, 6)))

        assert Answer.VALID is verdict.answer, (seed, verdict)


def test_a_snapshot_executor_shows_nothing_but_what_snapshot_isolation_allows() -> None:
    allowed: Counter[str] = Counter()
    for seed in range(1_500):
        random = Random(seed)
        real_time = bool(seed % 2)
        made = snapshot_history(random, random.randint(2, 30), random.randint(1, 4), random.randint(1, 6), real_time=real_time)
        level = "strong-snapshot-isolation" if real_time else "snapshot-isolation"
        verdict = check(made, level)

        assert Answer.VALID is verdict.answer, (seed, verdict)
        allowed.update(str(verdict.facts.get("found, but allowed at this level", "")).split(", "))
    assert allowed["G2"] > 50 and allowed["G-single-realtime"] > 50, allowed


ORDERS = {"strict-serializable": "realtime", "strong-session-serializable": "process", "serializable": "none"}
SNAPSHOTS = {"strong-snapshot-isolation": "realtime", "strong-session-snapshot-isolation": "process", "snapshot-isolation": "none"}


def test_the_verdict_is_that_of_trying_all_serial_orders() -> None:
    answers: Counter[tuple[str, bool]] = Counter()
    for seed in range(1_500):
        made = small_history(Random(seed))
        for level, order in ORDERS.items():
            expected = serializable(made, order)
            answers[level, expected] += 1

            assert expected == (Answer.VALID is check(made, level).answer), (seed, level, made)
    assert min(answers.values()) > 150, answers


def test_the_verdict_is_that_of_trying_all_snapshots_when_all_keys_are_read_at_the_end() -> None:
    answers: Counter[tuple[str, bool]] = Counter()
    for seed in range(1_000):
        made = read_at_the_end(small_history(Random(seed), count_max=4))
        for level, order in SNAPSHOTS.items():
            expected = snapshot_isolated(made, order)
            answers[level, expected] += 1

            assert expected == (Answer.VALID is check(made, level).answer), (seed, level, made)
    assert min(answers.values()) > 100, answers


def test_one_changed_read_changes_the_verdict_as_the_oracle_says() -> None:
    changed = 0
    for seed in range(1_500):
        random = Random(seed)
        made = serial_history(random, 5, 2, 3, unknown=0, failed=0)
        bent = mutated(random, made)
        assert Answer.VALID is check(made).answer
        if bent is not made:
            verdict = check(bent)
            assert serializable(bent) == (Answer.VALID is verdict.answer), (seed, verdict)
            changed += Answer.INVALID is verdict.answer
    assert changed > 500


def test_every_cycle_that_is_shown_is_one_and_has_the_class_that_its_name_says() -> None:
    for seed in range(1_500):
        random = Random(seed)
        made = mutated(random, mutated(random, snapshot_history(random, 20, 4, 6, real_time=False)))
        for finding in check(made).findings:
            if not finding.cycle:
                continue
            kinds = [edge.kind for edge in finding.cycle]
            after = [*finding.cycle[1:], finding.cycle[0]]
            adjacent = any(edge.kind == following.kind == "rw" for edge, following in zip(finding.cycle, after))
            name, _, order = finding.name.removeprefix("G-").partition("-")

            assert [edge.target for edge in finding.cycle] == [following.source for following in after]
            assert len(set(finding.operations)) == len(finding.cycle)
            expected = {0: "G1c" if "wr" in kinds else "G0", 1: "single"}.get(kinds.count("rw"), "G2" if adjacent else "nonadjacent")
            assert expected == name
            assert order == ("realtime" if "realtime" in kinds else "process" if "process" in kinds else "")


def test_ok_is_what_the_generators_mostly_make() -> None:
    outcomes = Counter(operation.outcome for seed in range(50) for operation in serial_history(Random(seed), 20, 3, 4).operations)

    assert outcomes[OK] > outcomes[UNKNOWN] > 20 and outcomes[FAILED] > 20


def test_a_file_of_jepsens_operations_is_judged_by_the_models_name(tmp_path: Path) -> None:
    path = tmp_path / "history.edn"
    path.write_text(
        "{:process 0, :type :invoke, :f :txn, :value [[:append 3 1] [:r 4 nil]]}\n"
        "{:process 1, :type :invoke, :f :txn, :value [[:append 4 1] [:r 3 nil]]}\n"
        "{:process 1, :type :ok, :f :txn, :value [[:append 4 1] [:r 3 [1]]]}\n"
        "{:process 0, :type :ok, :f :txn, :value [[:append 3 1] [:r 4 [1]]]}\n"
    )
    (finding,) = checks.check(files.read(path), "list-append").findings

    assert "G1c" == finding.name
    assert "T2 read 3 as [1], which T1's append of 1 had made." in [edge.reason for edge in finding.cycle]
