"""Keys by hand: what is printed and which exit code says so, against a real state machine over TCP."""

import io
import json
from pathlib import Path

import pytest

from quorate.cluster.wire.errors import Overloaded, TooLarge
from quorate.cluster.wire.rpc import ServerConnection
from quorate.protocols.sessions import IN_SESSION
from tests.cluster.cli.conftest import Command, Served


class _Input(io.TextIOWrapper):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


def test_a_value_comes_back_as_it_was_put(typed: Command) -> None:
    put = typed("put", "greeting", "hello")

    assert (0, "revision 1\n") == (put.code, put.out)
    assert (0, "hello\n", "") == typed("get", "greeting")


def test_a_missing_key_is_a_no(typed: Command) -> None:
    assert (1, "", "no key 'nothing'\n") == typed("get", "nothing")
    assert (1, "null\n", "") == typed("get", "nothing", "--json")


def test_json_has_every_field_and_names_bytes_that_are_no_text(typed: Command) -> None:
    typed("put", "k", "v")
    typed("put", "k", "w")

    shown = json.loads(typed("get", "k", "--json").out)

    assert {"key": "k", "value": "w", "create_revision": 1, "mod_revision": 2, "version": 2, "lease": 0} == shown


def test_bytes_that_are_no_text_survive(typed: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "blob").write_bytes(b"\xff\x00\x01")
    typed("put", "blob", "--file", str(tmp_path / "blob"))

    assert "/wAB" == json.loads(typed("get", "blob", "--json").out)["value_base64"]
    assert "blob\t\\xff\\x00\\x01\n" == typed("range", "blob").out


def test_a_value_is_read_from_standard_input(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Input(b"from a pipe"))
    typed("put", "k", "-")
    monkeypatch.setattr("sys.stdin", _Input(b"again"))
    typed("put", "l")

    assert "k\tfrom a pipe\nl\tagain\n" == typed("range").out


def test_put_shows_what_it_replaced(typed: Command) -> None:
    typed("put", "k", "old")

    assert "was old\nrevision 2\n" == typed("put", "k", "new", "--previous").out


def test_get_reads_the_past(typed: Command) -> None:
    typed("put", "k", "old")
    typed("put", "k", "new")

    assert "old\n" == typed("get", "k", "--revision", "1").out


def test_del_counts_and_says_when_nothing_was_there(typed: Command) -> None:
    for key in ("a/1", "a/2", "b"):
        typed("put", key, "x")

    assert (0, "deleted 2, revision 4\n", "") == typed("del", "--prefix", "a/")
    assert (1, "nothing to delete\n", "") == typed("del", "a/1")


def test_del_refuses_to_take_everything_by_an_empty_prefix(typed: Command) -> None:
    ran = typed("del", "--prefix", "")

    assert 2 == ran.code
    assert "an empty prefix means every key" in ran.err


def test_range_by_prefix_by_bounds_and_counted(typed: Command) -> None:
    for key in ("a/1", "a/2", "b", "c"):
        typed("put", key, key.upper())

    assert "a/1\tA/1\na/2\tA/2\n" == typed("range", "a/").out
    assert "a/2\nb\n" == typed("range", "--from", "a/2", "--to", "c", "--keys").out
    assert "4\n" == typed("range", "--count").out
    assert "c\tC\n" == typed("range", "--reverse", "--limit", "1").out
    assert {"revision": 4, "total": 1, "more": False, "items": [{"key": "b"}]} == json.loads(typed("range", "b", "--keys", "--json").out)


def test_an_empty_range_is_a_no(typed: Command) -> None:
    assert (1, "", "no keys\n") == typed("range", "nothing/")


def test_a_prefix_and_bounds_exclude_each_other(typed: Command) -> None:
    assert 2 == typed("range", "a/", "--from", "b").code


def test_cas_by_value_by_revision_by_absence(typed: Command) -> None:
    assert (0, "swapped, revision 1\n", "") == typed("cas", "lock", "--absent", "me")
    assert (1, "not swapped: it holds 'me', revision 1\n", "") == typed("cas", "lock", "--absent", "you")
    assert (0, "swapped, revision 2\n", "") == typed("cas", "lock", "me", "you")
    assert (0, "swapped, revision 3\n", "") == typed("cas", "lock", "--revision", "2", "they")
    assert (0, "deleted, revision 4\n", "") == typed("cas", "lock", "they", "--delete")
    assert (1, "not swapped: it does not exist\n", "") == typed("cas", "lock", "they", "us")


@pytest.mark.parametrize(
    "words", [("k",), ("k", "old"), ("k", "--absent", "a", "b"), ("k", "--delete", "--absent"), ("k", "--revision", "1", "--absent", "x")]
)
def test_cas_refuses_words_that_do_not_fit(typed: Command, words: tuple[str, ...]) -> None:
    assert 2 == typed("cas", *words).code


def test_a_refusal_says_what_to_do_next(typed: Command, served: Served) -> None:
    served.do(lambda: served.cluster["n1"].errors.append(TooLarge("the value has 9 bytes too many")))

    ran = typed("put", "k", "v")

    assert 5 == ran.code
    assert ran.err == (
        "error: the value has 9 bytes too many\n  next: the limits: a key 4 KiB, a value 1 MiB, a transaction 2 MiB and 512 operations\n"
    )


def test_an_overloaded_cluster_is_asked_again_until_the_deadline(typed: Command, served: Served) -> None:
    served.do(lambda: served.cluster["n1"].errors.append(Overloaded()))

    assert 0 == typed("put", "k", "v").code


def test_consistency_is_one_of_three_words(typed: Command) -> None:
    typed("put", "k", "v")

    for word in ("linearizable", "leader", "local", "lin"):
        assert "v\n" == typed("get", "k", "--consistency", word).out
    wrong = typed("get", "k", "--consistency", "eventual")
    assert 2 == wrong.code
    assert "linearizable, leader, local" in wrong.err
    assert 2 == typed("get", "k", "--consistency", "l").code


def test_compact_forgets_the_past_and_reading_it_says_so(typed: Command) -> None:
    typed("put", "k", "old")
    typed("put", "k", "new")

    assert "history begins at revision 2\n" == typed("compact", "2").out
    ran = typed("get", "k", "--revision", "1")
    assert 5 == ran.code
    assert "read the present state" in ran.err


def test_without_a_leader_the_error_says_so_and_the_exit_code_is_3(typed: Command, served: Served) -> None:
    served.do(lambda: served.cluster.lead(None))

    ran = typed("get", "k", "--timeout", "0.3")

    assert 3 == ran.code
    assert ran.err.startswith("error: ")
    assert "next: `quorate status` shows which nodes answer" in ran.err


def test_a_write_without_an_answer_is_uncertain(typed: Command, served: Served) -> None:
    node = served.cluster["n1"]

    def propose(connection: ServerConnection, id: int, group: str, command: bytes) -> None:
        if command[0] != IN_SESSION:  # the session opens and closes as ever
            connection.reply(id, served.cluster.apply(command))

    served.do(lambda: node.handlers.update(propose=propose))

    ran = typed("put", "k", "v", "--timeout", "0.3")

    assert 4 == ran.code
    assert ran.err.startswith("uncertain: ")
    assert "next: read the key to see whether it was done before you repeat it" in ran.err
