"""The key-value model: against the service's own state machine, against every permutation, and anomalies planted by hand."""

from dataclasses import replace
from random import Random

import pytest

from quorate.cluster.verify.checks import check
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.linearizability import check_linearizable
from quorate.cluster.verify.models import MODELS
from quorate.cluster.verify.models.joining import partition
from quorate.cluster.verify.verdict import Answer, Finding
from tests.cluster.verify.keyvalues import Service, ask
from tests.cluster.verify.operations import at, did, failed, line
from tests.cluster.verify.oracle import explained, generate, spoil

MODEL = MODELS["kv"]


@pytest.mark.parametrize("revisions", [True, False])
def test_whatever_the_state_machine_does_the_model_explains(revisions: bool) -> None:
    for seed in range(300):
        rng = Random(seed)
        service = Service(revisions=revisions)
        history = generate(rng, ask, service.answer, count=40, clients=4, unknown=0.1, failed=0.05)
        verdict = check_linearizable(history, MODEL)

        assert Answer.INVALID is not verdict.answer, (seed, verdict)
        assert Answer.VALID is verdict.answer or "unknown outcome" in verdict.reason, (seed, verdict)


@pytest.mark.parametrize("revisions", [True, False])
def test_the_checker_agrees_with_every_permutation(revisions: bool) -> None:
    """A revision contradicts across keys, or no order of any part explains it: both mean that no order of the whole does."""
    answers = {True: 0, False: 0}
    for seed in range(1200):
        rng = Random(seed)
        service = Service(revisions=revisions)
        history = generate(rng, ask, service.answer, count=rng.randint(3, 6), clients=3, unknown=0.1, failed=0.05)
        spoiled = spoil(rng, history)
        try:
            verdict = check_linearizable(spoiled, MODEL)
        except BadHistory:
            continue  # one transaction heard the answers of another that has other operations
        if verdict.answer is Answer.UNKNOWN:
            continue
        expected = explained(MODEL, spoiled.operations, MODEL.initial(spoiled.operations, {}))
        answers[expected] += 1
        assert (Answer.VALID if expected else Answer.INVALID) is verdict.answer, (seed, verdict, spoiled.operations)

    assert min(answers.values()) > 50, answers


def found(*operations: Operation, **facts: object) -> Finding | None:
    verdict = check(line(*operations, **facts), "kv")
    assert bool(verdict.findings) == (verdict.answer is Answer.INVALID)
    return verdict.findings[0] if verdict.findings else None


PUT_1, PUT_2 = did(1, "put", "x", "1"), did(1, "put", "x", "2")
BOTH = did(
    2, "txn", None, ((("version", "x", "=", 0),), (("put", "x", "1"), ("put", "y", "1")), (("get", "x"),)), (True, (None, None), None)
)
ANOMALIES: dict[str, tuple[Operation, ...]] = {
    "stale read": (PUT_1, PUT_2, did(3, "get", "x", None, "1")),
    "lost write": (PUT_1, did(3, "get", "x", None, None)),
    "dirty read of a failed write": (failed(PUT_1), did(3, "get", "x", None, "1")),
    "a delete that was undone": (PUT_1, did(1, "delete", "x", None, (1, None)), did(3, "get", "x", None, "1")),
    "a key deleted twice": (PUT_1, did(1, "delete", "x", None, (1, None)), did(2, "delete", "x", None, (1, None))),
    "a swap won twice": (did(1, "cas", "x", (None, "a"), True), did(2, "cas", "x", (None, "b"), True)),
    "a swap applied twice": (did(1, "cas", "x", (None, "a"), (True, 3)), did(2, "get", "x", None, ("a", 3, 2))),
    "a range that misses a key": (PUT_1, did(1, "put", "y", "2"), did(2, "range", None, ("x", "z", 0), ((("y", "2"),), None, None))),
    "a range that misses the last key": (PUT_1, did(1, "put", "xy", "2"), did(2, "prefix", None, ("x", 0), ((("x", "1"),), 1, None))),
    "a range in disorder": (PUT_1, did(1, "put", "y", "2"), did(2, "range", None, ("x", "z", 0), ((("y", "2"), ("x", "1")), 2, None))),
    "a limit that is not kept": (PUT_1, did(1, "put", "y", "2"), did(2, "range", None, ("x", "z", 1), ((("x", "1"), ("y", "2")), 2, None))),
    "a wrong total": (PUT_1, did(2, "range", None, ("x", "z", 1), ((("x", "1"),), 2, None))),
    "a key outside of the range": (PUT_1, did(2, "range", None, ("y", "", 0), ((("x", "1"),), 1, None))),
    "half a transaction, by gets": (BOTH, did(3, "get", "x", None, "1"), did(3, "get", "y", None, None)),
    "half a transaction, by a range": (BOTH, did(3, "range", None, ("x", "z", 0), ((("x", "1"),), 1, None))),
    "the wrong branch": (PUT_1, BOTH),
    "a transaction that does not see itself": (
        did(1, "txn", None, ((), (("put", "x", "1"), ("get", "x")), ()), (True, (None, None), None)),
    ),
    "a range deleted by halves": (PUT_1, did(1, "put", "y", "2"), did(2, "delete_range", None, ("x", "z", 0), (1, None))),
    "a revision given twice": (did(1, "put", "x", "1", 5), did(2, "put", "y", "1", 5)),
    "a revision given twice, once in a transaction that deletes too": (
        did(1, "txn", None, ((), (("put", "x", "1"), ("delete", "z")), ()), (True, (5, None), 5)), did(2, "put", "y", "1", 5)),
    "a key put at the revision of another": (did(1, "put", "x", "1", 5), did(2, "put", "y", "1"), did(3, "get", "y", None, ("1", 5, 1))),
    "a revision that falls, across keys": (did(1, "put", "x", "1", 5), did(2, "put", "y", "1", 4)),
    "a revision that falls, seen by a read": (
        did(1, "put", "x", "1", 5), did(2, "get", "x", None, ("1", 5, 1)), did(3, "range", None, ("y", "", 0), ((), 0, 4))),
    "a put applied twice": (did(1, "put", "x", "1", 5), did(2, "get", "x", None, ("1", 5, 2))),
    "a read with another's revision": (did(1, "put", "x", "1", 5), did(2, "put", "x", "1", 6), did(3, "get", "x", None, ("1", 5, 2))),
    "an optimistic write over another": (
        did(1, "put", "x", "1", 5), did(2, "put", "x", "2", 6), did(3, "cas_revision", "x", (5, "3"), (True, 7))),
}  # fmt: skip


@pytest.mark.parametrize("name", ANOMALIES)
def test_a_planted_anomaly_is_found_among_innocent_operations(name: str) -> None:
    innocent = [did(9, "put", f"z{number}", str(number)) for number in range(5)]
    finding = found(*innocent, *ANOMALIES[name])

    assert finding is not None
    assert 1 <= len(finding.operations) <= len(ANOMALIES[name])
    assert len(finding.operations) + finding.omitted <= 5 + len(ANOMALIES[name])
    assert "\n" in finding.why and finding.why.endswith(".")


INNOCENT: dict[str, tuple[Operation, ...]] = {
    "a full reply": (PUT_1, did(1, "put", "y", "2"), did(2, "range", None, ("", "", 0), ((("x", "1"),), 2, None))),
    "bytes beyond text": (did(1, "put", "\u00e9", "1"), did(1, "put", "z", "2"), did(2, "range", None, ("z", b"\xc3\xaa", 0),
                          ((("z", "2"), ("\u00e9", "1")), 2, 2))),
    "a deletion of nothing keeps the revision": (
        did(1, "put", "x", "1", 5), did(2, "delete", "y", None, (0, 5)), did(1, "put", "x", "2", 6)),
    "put and deleted at once": (
        did(1, "put", "y", "1", 5), did(1, "txn", None, ((), (("put", "x", "1"), ("delete", "x")), ()), (True, (None, (1, 5)), 5))),
    "an equal revision in a read": (did(1, "put", "x", "1", 5), did(2, "txn", None, ((), (("get", "x"),), ()), (True, (("1", 5, 1),), 5))),
}  # fmt: skip


@pytest.mark.parametrize("name", INNOCENT)
def test_what_looks_odd_and_is_right(name: str) -> None:
    assert found(*INNOCENT[name]) is None


def test_what_was_there_before_has_a_revision_that_a_read_may_tell() -> None:
    reads = (did(1, "get", "x", None, ("1", 3, 2)), did(2, "get", "x", None, ("1", 3, 2)))

    assert found(*reads, initial=(("x", "1"),)) is None
    assert found(*reads, did(2, "get", "x", None, ("1", 4, 2)), initial=(("x", "1"),)) is not None
    assert found(*reads) is not None


def test_a_put_that_nobody_heard_of_has_a_revision_above_those_before_it() -> None:
    unknown = at(did(2, "put", "x", "2"), 2, None)
    after = [at(did(1, "put", "x", "1", 5), 0, 1), unknown]

    def verdict(revision: int) -> Answer:
        return check(History((*after, at(did(3, "get", "x", None, ("2", revision, 2)), 3, 4))), "kv").answer

    assert Answer.VALID is verdict(6)
    assert Answer.VALID is verdict(60)
    assert Answer.INVALID is verdict(5)


UNTOLD_X, UNTOLD_Y = did(1, "put", "x", "1"), did(1, "put", "y", "1")
TOGETHER = did(1, "txn", None, ((), (("put", "x", "1"), ("put", "y", "1")), ()), (True, (None, None), None))
LISTED_AT_5 = did(2, "range", None, ("x", "z", 1), ((("x", "1"),), None, 5))
BOTH_READ = did(9, "range", None, ("x", "z", 0), ((("x", "1"), ("y", "1")), 2, None))


SWAPPED = did(2, "cas_revision", "x", (4, "2"), True)
EQUAL = did(2, "txn", None, ((("create_revision", "x", "=", 4),), (), ()), (True, (), None))
OWN = (("put", "x", "1"), ("get", "x"), ("put", "y", "1"))
ITSELF = did(1, "txn", None, ((), OWN, ()), (True, (None, ("1", 7, 1), None), None))


def seen(key: str, revision: int, version: int = 1) -> Operation:
    return did(3, "get", key, None, ("1", revision, version))


LEARNT_LATE: dict[str, tuple[tuple[Operation, ...], tuple[Operation, ...]]] = {
    "it is below what was told after it": ((UNTOLD_X, LISTED_AT_5, seen("x", 5)), (UNTOLD_X, LISTED_AT_5, seen("x", 6))),
    "room is left for the writes between": (
        (UNTOLD_X, UNTOLD_Y, LISTED_AT_5, seen("x", 4), BOTH_READ), (UNTOLD_X, UNTOLD_Y, LISTED_AT_5, seen("x", 5), BOTH_READ)),
    "what came after it is above it": (
        (UNTOLD_X, UNTOLD_Y, seen("x", 4), seen("y", 5), BOTH_READ), (UNTOLD_X, UNTOLD_Y, seen("x", 4), seen("y", 3), BOTH_READ)),
    "what came before it is below it": (
        (UNTOLD_X, UNTOLD_Y, seen("y", 4), seen("x", 3), BOTH_READ), (UNTOLD_X, UNTOLD_Y, seen("y", 4), seen("x", 4), BOTH_READ)),
    "the next write takes a higher one": (
        (UNTOLD_X, UNTOLD_Y, seen("x", 4), did(1, "put", "y", "1", 6), BOTH_READ),
        (UNTOLD_X, UNTOLD_Y, seen("x", 4), did(1, "put", "y", "1", 5), BOTH_READ)),
    "with nothing to spare it is known": (
        (UNTOLD_X, did(1, "put", "y", "1", 2), BOTH_READ, did(2, "cas_revision", "x", (1, "2"), True)),
        (UNTOLD_X, did(1, "put", "y", "1", 2), BOTH_READ, did(2, "cas_revision", "x", (1, "2"), False))),
    "the keys of one transaction share theirs": ((TOGETHER, seen("x", 4), seen("y", 4)), (TOGETHER, seen("x", 4), seen("y", 5))),
    "a swap that succeeded tells it": ((TOGETHER, SWAPPED, seen("y", 4)), (TOGETHER, SWAPPED, seen("y", 5))),
    "a comparison that was equal tells it": ((TOGETHER, EQUAL, seen("y", 4)), (TOGETHER, EQUAL, seen("y", 5))),
    "a transaction reads its own": ((ITSELF, seen("y", 7)), (ITSELF, seen("y", 8))),
}  # fmt: skip
"""What the service may say, and what it may not."""


@pytest.mark.parametrize("name", LEARNT_LATE)
def test_a_revision_that_is_learnt_late_has_its_place_between_the_others(name: str) -> None:
    right, wrong = LEARNT_LATE[name]

    assert found(*right) is None
    assert found(*wrong) is not None


def test_what_was_there_before_lies_below_the_first_revision_that_was_told() -> None:
    first = did(1, "put", "y", "1", 5)
    both: dict[str, object] = {"initial": (("x", "1"), ("y", "0"))}

    assert found(first, BOTH_READ, seen("x", 4, 2), **both) is None
    assert found(first, BOTH_READ, seen("x", 5, 2), **both) is not None
    assert found(UNTOLD_Y, BOTH_READ, seen("x", 4, 2), seen("y", 5, 3), **both) is None
    assert found(UNTOLD_Y, BOTH_READ, seen("x", 4, 2), seen("y", 4, 3), **both) is not None


def test_what_a_transaction_reads_after_its_own_put_says_nothing_of_other_states() -> None:
    """Its first version does not fit at revision 2; after the put of unknown outcome it is the second, and does."""
    history = History(
        (
            at(did(1, "put", "x", "1"), 0, None),
            at(did(2, "txn", None, ((), (("put", "x", "1"), ("get", "x")), ()), (True, (None, ("1", 2, 2)), 2)), 1, 2),
        )
    )

    assert Answer.VALID is check(history, "kv").answer


def test_what_depends_on_a_revision_that_nobody_knows_is_unknown_and_never_invalid() -> None:
    """The swap may have won: if revision 7 was that of the unknown put. Then "3" is explained; the history does not tell."""
    history = History(
        (
            at(did(1, "put", "x", "1", 5), 0, 1),
            at(did(2, "put", "x", "2"), 2, None),
            at(did(3, "cas_revision", "x", (7, "3")), 3, None),
            at(did(4, "get", "x", None, ("3", 8, 3)), 4, 5),
        )
    )
    verdict = check(history, "kv")

    assert Answer.UNKNOWN is verdict.answer
    assert "key 'x'" in verdict.reason and "a revision that may or may not be the key's" in verdict.reason


def test_ranges_that_overlap_where_a_key_was_before_are_checked_together() -> None:
    deleted = did(1, "delete_range", None, ("a", "", 0), (1, None))

    assert found(deleted, did(2, "prefix", None, ("a", 0), ((), 0, None)), initial=(("a", "1"),)) is None
    assert found(deleted, did(2, "prefix", None, ("a", 0), ((("a", "1"),), 1, None)), initial=(("a", "1"),)) is not None


def test_keys_that_nothing_joins_are_checked_apart() -> None:
    operations = [did(1, "put", key, "1") for key in "abcdefg"]
    operations += [did(1, "range", None, ("b", "d", 0)), did(1, "range", None, ("x", "y", 0)), did(1, "prefix", None, ("g", 0))]
    operations += [did(1, "txn", None, ((("version", "c", "=", 0),), (("put", "e", "1"),), (("range", "f", "g", 0),)))]

    expected = {"a": 1, "b, c, e and 1 more": 6, "d": 1, "g": 2, None: 1}
    assert expected == {key: len(part) for key, part in partition(operations)}


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (did(1, "put", None, "1"), "put has a key of text or bytes, not None"),
        (did(1, "range", "x", ("", "", 0), ((), None, None)), "range has no key, not 'x'"),
        (did(1, "put", "x", 1), "put is key, value; its argument is not 1"),
        (did(1, "put", "x", "1", "2"), "the result of put is nothing, or its revision, not '2'"),
        (did(1, "get", "x", None, ("1", 2)), r"the result of get is nothing if absent, the value, or \(value, revision, version\), not"),
        (did(1, "range", None, ("", "", -1), ((), None, None)), "range is .start, end, limit.; its argument is not"),
        (did(1, "range", None, ("", "", 0), (("x", "1"),)), "the result of range"),
        (did(1, "txn", None, ((("lease", "x", "=", 1),), (), ()), (True, (), None)), "txn is .comparisons, then, otherwise.; its argument"),
        (did(1, "txn", None, ((), (("put", "x", "1"),), ()), (True, (), None)), "the result of txn"),
        (did(1, "txn", None, ((), (("swap", "x", "1"),), ()), (True, (None,), None)), "txn is .*; its argument is not"),
    ],
)
def test_operations_that_are_none_of_the_models(operation: Operation, problem: str) -> None:
    with pytest.raises(BadHistory, match=f"history:1: {problem}"):
        found(operation)


def test_initial_pairs_that_are_none() -> None:
    with pytest.raises(BadHistory, match=r"the fact `initial` of a kv history is pairs"):
        found(PUT_1, initial=3)


def test_the_sentence_of_a_contradiction_across_keys() -> None:
    finding = found(*ANOMALIES["a revision that falls, across keys"])

    assert finding is not None
    expected = (
        "process 2 put 'y' = '1' at revision 4 (line 2):\n"
        "it has revision 4, though process 1 (line 1) had returned before it began, with 5."
    )
    assert expected == finding.why
    assert ["x", "y"] == [operation.key for operation in finding.operations]


def test_the_states_are_told_in_words() -> None:
    finding = found(did(1, "put", "x", "1", 5), did(1, "put", "x", "2", 6), did(3, "get", "x", None, ("1", 5, 1)))

    assert finding is not None
    assert ("holds 'x' = '1' at revision 5", "holds 'x' = '2' at revision 6") == finding.states
    assert Outcome.OK is finding.operations[finding.stuck[0]].outcome
    expected = "but after '1' was written the key was put to '2', acknowledged before this read began (process 1, line 2)."
    assert expected == finding.why.splitlines()[1]


def test_a_lost_write_is_told_with_the_put() -> None:
    finding = found(PUT_1, did(2, "delete", "y", None), did(3, "get", "x", None, None))

    assert finding is not None
    assert "but '1' was put and acknowledged before this read began, and never deleted (process 1, line 1)." == finding.why.splitlines()[1]


def test_where_nothing_small_explains_it_the_end_of_the_longest_order_is_shown() -> None:
    """Twenty swaps that each need the one before it, then one that comes too late: sixteen are needed to see that."""
    chain = [did(number, "cas", "x", (str(number), str(number + 1)), True) for number in range(20)]
    finding = found(*chain, did(30, "cas", "x", ("15", "22"), True), initial=(("x", "0"),))

    assert finding is not None
    assert "no order explains more than 20 of 21 operations:" == finding.why.splitlines()[0]
    assert "in the best order key 'x' then holds 'x' = '20', and process 30 swapped 'x' from '15' to '22'" in finding.why
    assert (5, 16, 4) == (len(finding.operations), finding.omitted, finding.stuck[0])


def test_a_spoiled_answer_among_many_is_told_in_few_operations() -> None:
    rng = Random(3)
    history = generate(rng, ask, Service().answer, count=60, clients=3)
    operations = list(history.operations)
    gets = [number for number, each in enumerate(operations) if each.function == "get" and number > 30]
    operations[gets[0]] = replace(operations[gets[0]], result="nobody wrote this")
    verdict = check(History(tuple(operations)), "kv")

    assert "but nobody ever wrote 'nobody wrote this'." in verdict.findings[0].why
    assert len(verdict.findings[0].operations) < 10
