"""Operations in words."""

import pytest

from quorate.cluster.verify.history import Operation
from quorate.cluster.verify.report import words
from quorate.cluster.verify.verdict import Finding
from tests.cluster.verify.made import history, operation, transactions


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (None, "nil"),
        (True, "true"),
        (3, "3"),
        ("x", "x"),
        ("account/7", "account/7"),
        ("3", '"3"'),
        ("nil", '"nil"'),
        ("two words", '"two words"'),
        ('"', '"\\""'),
        ("", '""'),
        (b"x", "x"),
        (b"\xff\x00", "0xff00"),
        ((1, "a", ()), "[1, a, []]"),
        ("a\x1b[31m\nb", '"a\\x1b[31m\\nb"'),
        ("a\u202eb", '"a\\u202eb"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_a_value_is_text_that_no_terminal_obeys_and_that_cannot_be_taken_for_another(thing: object, said: str) -> None:
    assert said == words.value(thing)


@pytest.mark.parametrize(
    ("each", "said"),
    [
        (operation(0, "write", 3, called=0, returned=1), "write 3"),
        (operation(0, "write", 3, called=0, returned=None), "write 3 ?"),
        (operation(0, "write", 3, called=0, returned=1, failed=True), "write 3 ✗"),
        (operation(0, "read", None, None, called=0, returned=1), "read → nil"),
        (operation(0, "read", None, None, called=0, returned=None), "read ?"),
        (operation(0, "cas", (1, 2), False, called=0, returned=1), "cas 1 to 2 → false"),
        (operation(0, "acquire", 1, True, called=0, returned=1), "acquire 1 → true"),
        (operation(0, "acquire", None, None, called=0, returned=1), "acquire"),
        (transactions()[0], "read x → [] · append y 1"),
        (operation(0, "txn", (("r", "x", None), ("append", "y", 1)), called=0, returned=None), "read x · append y 1 ?"),
    ],
)
def test_an_operation_says_what_was_asked_and_what_the_client_was_told(each: Operation, said: str) -> None:
    assert said == words.operation(each)


@pytest.mark.parametrize(
    ("function", "argument", "result", "said"),
    [
        ("put", "v", 17, "put v → rev 17"),
        ("put", "v", None, "put v"),
        ("write", ("s1", 4, "v"), 17, "write v as s1/4 → rev 17"),
        ("get", None, ("v", 17, 1), "get → v, rev 17"),
        ("get", None, "v", "get → v"),
        ("get", None, None, "get → nil"),
        ("delete", None, (1, 18), "delete → 1 deleted, rev 18"),
        ("cas", ("a", "b"), (True, 19), "cas a to b → true, rev 19"),
        ("cas_revision", (17, None), (False, 19), "cas_revision rev 17 to nil → false, rev 19"),
        ("range", ("a", "c", 2), ((("a", "1", 3, 1), ("b", "2")), 2, 9), 'range [a, c) limit 2 → a="1", b="2", rev 9'),
        ("range", ("a", "", 0), ((), 0, None), "range [a, ∞) → nothing"),
        ("prefix", ("a/", 0), ((("a/1", "v"),), 1, 9), "prefix a/* → a/1=v, rev 9"),
        ("transfer", ("ann", "bob", 30), None, "transfer 30 from ann to bob"),
        (
            "txn",
            ((("value", "k", "=", "v"),), (("put", "k", "w"),), ()),
            (True, (None,), 7),
            "txn if value k = v then put k w → then [nil], rev 7",
        ),
        (
            "watch",
            ("w1", ("prefix", "a"), 3),
            (3, 5, ((4, "put", "ab", "v"), (5, "delete", "a", None)), None),
            "watch w1 of a* from rev 3 → rev 3-5: ab=v @4, a gone @5",
        ),
        ("watch", ("w1", ("key", "a"), 3), (3, 2, (), 9), "watch w1 of a from rev 3 → rev 3-2: nothing, gone up to 9"),
        ("cas", "odd", "odder", "cas odd → odder"),
        ("range", (1,), (2, 3, 4, 5), "range [1] → [2, 3, 4, 5]"),
    ],
)
def test_operations_of_the_service_are_told_shorter_than_their_tuples(function: str, argument: object, result: object, said: str) -> None:
    assert said == words.operation(operation(0, function, argument, result, called=0, returned=1))


def test_the_key_is_named_where_it_is_not_clear() -> None:
    each = operation(0, "write", 3, called=0, returned=1, key="x")

    assert "write 3" == words.operation(each)
    assert "write x 3" == words.operation(each, with_key=True)


@pytest.mark.parametrize(
    ("text", "columns", "said"), [("abcdefghi", 9, "abcdefghi"), ("abcdefghij", 9, "abcde…hij"), ("漢字漢字漢字", 7, "漢字…字")]
)
def test_a_long_text_is_cut_in_the_middle_and_never_wider_than_it_may_be(text: str, columns: int, said: str) -> None:
    assert said == words.short(text, columns)
    assert words.columns(said) <= columns


def test_transactions_have_the_number_of_their_place_in_the_history() -> None:
    assert {0: "T1", 1: "T2", 5: "T3"} == words.names(history(transactions()))


def test_what_the_checker_left_out_is_counted() -> None:
    each = operation(0, "read", None, 1, called=0, returned=1)

    assert "" == words.left_out(Finding("G1a", "why"))
    assert "1,200 more of this kind not shown." == words.left_out(Finding("G1a", "why", omitted=1200))
    said = words.left_out(Finding("not linearizable", "why", "x", (each,), stuck=(0,), omitted=1))
    assert "1 other operation of key x not shown: it fails without them." == said


@pytest.mark.parametrize(
    ("ns", "said"), [(0, "0 s"), (340, "340 ns"), (12_400_000, "12.4 ms"), (3_020_000_000, "3.02 s"), (5_000_000_000_000, "5,000 s")]
)
def test_times_are_read_at_a_glance(ns: int, said: str) -> None:
    assert said == words.span(ns)


def test_a_sentence_begins_with_a_capital_letter_and_names_stay_as_they_are() -> None:
    assert ["Process 1 read", "'x' was set", "", "G2"] == [words.sentence(text) for text in ("process 1 read", "'x' was set", "", "G2")]
