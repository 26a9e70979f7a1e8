"""The words of a transaction, and what `quorate txn` prints."""

import io
import json

import pytest

from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.phrases import condition, operation, parse
from quorate.cluster.service import commands
from quorate.cluster.service.commands import Relation, Target
from tests.cluster.cli.conftest import Command


def test_conditions() -> None:
    assert commands.compare(b"stock", Target.VALUE, Relation.GREATER, b"3") == condition("value stock > 3")
    assert commands.compare(b"order/7", Target.VERSION, Relation.EQUAL, 0) == condition("version order/7 = 0")
    assert commands.compare(b"a key", Target.VALUE, Relation.NOT_EQUAL, b"two words") == condition('value "a key" != "two words"')
    assert commands.compare(b"k", Target.MOD_REVISION, Relation.LESS, 9) == condition("modified k < 9")
    assert commands.absent(b"k") == condition("absent k")
    assert commands.compare(b"k", Target.VERSION, Relation.GREATER, 0) == condition("exists k")


def test_operations() -> None:
    assert commands.put(b"k", b"v") == operation("put k v")
    assert commands.put(b"k", b"", lease=7) == operation("put k '' lease=7")
    assert commands.delete(b"k") == operation("del k")
    assert commands.delete_range(*commands.prefix(b"a/")) == operation("del --prefix a/")
    assert commands.get(b"k") == operation("get k")
    assert commands.range(*commands.prefix(b"a/"), limit=3) == operation("range a/ limit=3")


@pytest.mark.parametrize("phrase", ["value k 3", "version k = x", "maybe k", "", "value k ~ 3", 'value k = "open'])
def test_what_is_no_condition_is_refused_with_the_forms_that_are(phrase: str) -> None:
    with pytest.raises(UsageError):
        condition(phrase)


@pytest.mark.parametrize("phrase", ["put k", "del --prefix", "get", "put k v lease=x", "move a b"])
def test_what_is_no_operation_is_refused(phrase: str) -> None:
    with pytest.raises(UsageError):
        operation(phrase)


def test_a_transaction_is_read_section_by_section() -> None:
    found = parse(["# a move", "if value a = 1", "", "then", "  put a 0  # nothing left", "  put b 1", "else:", "  get a"])

    assert [condition("value a = 1")] == found.conditions
    assert ["put a 0  # nothing left", "put b 1"] == [phrase for phrase, _ in found.then]
    assert [("get a", operation("get a"))] == found.otherwise


def test_an_error_names_the_line() -> None:
    with pytest.raises(UsageError, match="line 3: not an operation: 'frobnicate x'"):
        parse(["then", "  put a 1", "  frobnicate x"])
    with pytest.raises(UsageError, match="line 1: 'put a 1' stands before `if`, `then` or `else`"):
        parse(["put a 1"])


def test_txn_takes_the_branch_whose_conditions_hold(typed: Command) -> None:
    typed("put", "stock", "3")
    words = ("--if", "value stock = 3", "--then", "put stock 2", "--then", 'put order/7 "one piece"', "--else", "get stock")

    first, second = typed("txn", *words), typed("txn", *words)

    assert (0, 'then, revision 2\n  put stock 2: done\n  put order/7 "one piece": done\n', "") == first
    assert (1, "else, revision 2\n  get stock: 2\n", "") == second
    assert "one piece\n" == typed("get", "order/7").out


def test_txn_as_json(typed: Command) -> None:
    typed("put", "a", "1")

    ran = typed("txn", "--then", "get a", "--then", "range a", "--then", "del a", "--json")

    shown = json.loads(ran.out)
    assert (True, 2) == (shown["succeeded"], shown["revision"])
    assert ["1", 1, 1] == [
        shown["results"][0]["item"]["value"],
        shown["results"][1]["total"],
        shown["results"][2]["deleted"],
    ]


def test_txn_reads_standard_input(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("if absent lock\nthen put lock me\n"))

    assert (0, "then, revision 1\n  put lock me: done\n", "") == typed("txn")


def test_txn_with_nothing_to_do_is_a_usage_error(typed: Command) -> None:
    assert 2 == typed("txn", "--if", "exists k").code
