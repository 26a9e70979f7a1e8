"""The recorder: what is on the disk when, and what becomes of outcomes that nobody learnt."""

import asyncio
import errno
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from quorate.cluster.client.client import Client
from quorate.cluster.service import commands
from quorate.cluster.service.results import DeleteResult, GetResult, KeyValue, PutResult, RangeResult, SwapResult, TxnResult
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.files import read
from quorate.cluster.verify.history import History, Outcome
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.verify.verdict import Answer
from quorate.cluster.wire.errors import BadRequest, Overloaded, Uncertain


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        self.ns += 1000
        return self.ns


def run(recorder: Recorder) -> None:
    """Two clients, one answer that never comes, one refusal."""
    one, other = recorder.client(), recorder.client()
    one.invoke("put", b"x", b"\xff")
    other.invoke("get", "x")
    one.ok(7)
    other.unknown("timed out")
    other.invoke("put", "x", "")
    one.invoke("delete", "x")
    one.fail("overloaded")
    one.invoke("get", "x")
    one.ok((b"\xff", 7, 1))


def told(history: History) -> list[tuple[object, ...]]:
    return [(each.process, each.function, each.argument, each.result, each.outcome.value) for each in history.operations]


EXPECTED = [
    (0, "put", b"\xff", 7, "ok"),
    (1, "get", None, None, "info"),
    (2, "put", "", None, "info"),
    (0, "delete", None, None, "fail"),
    (0, "get", None, (b"\xff", 7, 1), "ok"),
]


def test_a_file_and_the_memory_hold_the_same(tmp_path: Path) -> None:
    with Recorder(tmp_path / "history", now_ns=Clock(), model="kv", seed=7, facts={"initial": ((b"a", b"1"),)}) as on_disk:
        run(on_disk)
    in_memory = Recorder(now_ns=Clock(), model="kv", seed=7, facts={"initial": ((b"a", b"1"),)})
    run(in_memory)

    assert EXPECTED == told(on_disk.history()) == told(in_memory.history())
    assert {"model": "kv", "seed": 7, "initial": (("a", "1"),)} == in_memory.history().facts
    assert {**in_memory.history().facts, "format": "json"} == on_disk.history().facts
    times = [(each.called, each.returned, each.called_ns, each.returned_ns) for each in in_memory.history().operations]
    assert times == [(each.called, each.returned, each.called_ns, each.returned_ns) for each in on_disk.history().operations]
    assert Answer.VALID is check(on_disk.history(), "kv").answer


def test_every_line_is_on_the_disk_before_anything_is_sent(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history", now_ns=Clock())
    recorder.client().invoke("put", "x", "1")

    assert [Outcome.UNKNOWN] == [each.outcome for each in read(tmp_path / "history").operations]


def test_a_file_cut_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    with Recorder(tmp_path / "history", now_ns=Clock()) as recorder:
        run(recorder)
    whole = (tmp_path / "history").read_bytes()
    header = whole.index(b"\n") + 1
    for length in range(header, len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        history = read(tmp_path / "cut")
        lines = whole[:length].count(b"\n")
        ends_within = whole[length - 1 : length] != b"\n" and whole[length : length + 1] != b"\n"
        assert ends_within == ("cut_off" in history.facts), length
        assert lines - 1 + (whole[length - 1 : length] != b"\n" and not ends_within) == sum(
            1 + (each.returned_line is not None) for each in history.operations
        ), length


def test_a_history_is_never_overwritten(tmp_path: Path) -> None:
    Recorder(tmp_path / "history", now_ns=Clock()).close()

    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "history", now_ns=Clock())


class FullDisk:
    """Takes a part of a line, then nothing."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def write(self, line: bytes) -> int:
        self.taken.append(line[:5])
        return 5


def test_after_a_line_that_could_not_be_written_nothing_is_sent(tmp_path: Path) -> None:
    """The second invocation must not be written behind half a line, and must not be taken for recorded."""
    recorder = Recorder(tmp_path / "history", now_ns=Clock())
    disk = FullDisk()
    recorder._file = disk  # type: ignore[assignment]
    for client in (recorder.client(), recorder.client()):
        with pytest.raises(OSError, match="only a part of a line could be written"):
            client.invoke("put", "x", "1")

    assert 1 == len(disk.taken)


def test_a_value_that_no_history_can_hold_is_refused_before_it_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history", now_ns=Clock())
    with pytest.raises(TypeError, match="a history holds"):
        recorder.client().invoke("put", "x", {"a": 1})

    assert () == read(tmp_path / "history").operations


def test_a_client_does_one_thing_at_a_time() -> None:
    client = Recorder(now_ns=Clock()).client()
    client.invoke("put", "x", "1")
    with pytest.raises(AssertionError, match="still waits for the answer to put"):
        client.invoke("get", "x")
    client.ok()
    with pytest.raises(AssertionError, match="has invoked nothing"):
        client.ok()


class FakeClient:
    """A Client whose answers, or errors, are set by the test."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*_: object, **__: object) -> object:
            if isinstance(self._answer, BaseException):
                raise self._answer
            return self._answer

        return call


FOUND = KeyValue(b"x", b"1", 3, 4, 2)
TXN_ANSWER = TxnResult(True, 9, (PutResult(9), GetResult(9, FOUND), DeleteResult(9, 1, False), RangeResult(9, 1, False, (FOUND,))))
CALLS: list[tuple[str, Callable[[RecordedClient], Awaitable[object]], object, tuple[object, ...]]] = [
    ("put", lambda client: client.put("x", "1"), PutResult(5), ("put", "x", "1", 5)),
    ("get", lambda client: client.get("x"), FOUND, ("get", "x", None, ("1", 4, 2))),
    ("absent", lambda client: client.get("x"), None, ("get", "x", None, None)),
    ("delete", lambda client: client.delete("x"), DeleteResult(6, 1, False), ("delete", "x", None, (1, 6))),
    ("delete_range", lambda client: client.delete_range("a", "b"), DeleteResult(6, 2, False),
     ("delete_range", None, ("a", "b", 0), (2, 6))),
    ("swap", lambda client: client.compare_and_swap("x", expected=None, value="2"), SwapResult(True, 7, FOUND),
     ("cas", "x", (None, "2"), (True, 7))),
    ("swap at", lambda client: client.compare_and_swap("x", expected=4, value=None), SwapResult(False, 7, FOUND),
     ("cas_revision", "x", (4, None), (False, 7))),
    ("range", lambda client: client.range("a", "b", limit=3), RangeResult(8, 1, False, (FOUND,)),
     ("range", None, ("a", "b", 3), ((("x", "1", 4, 2),), 1, 8))),
    ("prefix", lambda client: client.range(prefix="x"), RangeResult(8, 0, False, ()), ("prefix", None, ("x", 0), ((), 0, 8))),
    ("txn", lambda client: client.transaction(
        [commands.absent(b"l"), commands.compare(b"x", commands.Target.VALUE, commands.Relation.LESS, b"5")],
        [commands.put(b"y", b"2"), commands.get(b"x"), commands.delete(b"z"), commands.range(b"x", b"")],
        [commands.delete_range(b"a", b"b", limit=1)]), TXN_ANSWER,
     ("txn", None, ((("version", "l", "=", 0), ("value", "x", "<", "5")),
                    (("put", "y", "2"), ("get", "x"), ("delete", "z"), ("range", "x", "", 0)),
                    (("delete_range", "a", "b", 1),)),
      (True, (None, ("1", 4, 2), (1, 9), ((("x", "1", 4, 2),), 1, 9)), 9))),
]  # fmt: skip


@pytest.mark.parametrize(("call", "answer", "expected"), [row[1:] for row in CALLS], ids=[row[0] for row in CALLS])
async def test_what_a_client_is_told_is_what_the_model_reads(
    call: Callable[[RecordedClient], Awaitable[object]], answer: object, expected: tuple[object, ...]
) -> None:
    recorder = Recorder(now_ns=Clock())
    got = await call(RecordedClient(cast(Client, FakeClient(answer)), recorder))

    (operation,) = recorder.history().operations
    assert got == answer
    assert expected == (operation.function, operation.key, operation.argument, operation.result)
    check(recorder.history(), "kv")  # knows the shape: no BadHistory


@pytest.mark.parametrize(
    ("error", "outcome", "process"),
    [
        (Overloaded(), Outcome.FAILED, 0),
        (BadRequest("no"), Outcome.FAILED, 0),
        (Uncertain(), Outcome.UNKNOWN, 1),
        (TimeoutError(), Outcome.UNKNOWN, 1),
        (asyncio.CancelledError(), Outcome.UNKNOWN, 1),
        (ZeroDivisionError(), Outcome.UNKNOWN, 1),
    ],
)
async def test_an_error_leaves_open_what_it_does_not_rule_out(error: BaseException, outcome: Outcome, process: int) -> None:
    recorder = Recorder(now_ns=Clock())
    client = RecordedClient(cast(Client, FakeClient(error)), recorder)
    for _ in range(2):
        with pytest.raises(type(error)):
            await client.put("x", "1")

    assert [(0, outcome), (process, outcome)] == [(each.process, each.outcome) for each in recorder.history().operations]


async def test_what_a_history_cannot_tell_is_refused() -> None:
    client = RecordedClient(cast(Client, FakeClient(None)), Recorder(now_ns=Clock()))

    with pytest.raises(ValueError, match="leases, past revisions and options cannot"):
        await client.transaction([], [commands.put(b"x", b"1", lease=5)])


def test_the_lines_are_those_of_the_format(tmp_path: Path) -> None:
    with Recorder(tmp_path / "history", now_ns=Clock(), model="kv") as recorder:
        client = recorder.client()
        client.invoke("get", b"\xff")
        client.unknown("Uncertain: no answer")

    expected = [
        {"quorate": "history", "version": 1, "model": "kv", "facts": {}},
        {"type": "invoke", "process": 0, "f": "get", "key": {"hex": "ff"}, "time": 1000},
        {"type": "info", "process": 0, "error": "Uncertain: no answer", "time": 2000},
    ]
    assert expected == [json.loads(line) for line in (tmp_path / "history").read_text().splitlines()]


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    recorder = Recorder(tmp_path / "history", now_ns=Clock())
    recorder._file = Full()  # type: ignore[assignment]

    with pytest.raises(OSError, match="No space left"):
        recorder.client().invoke("put", "x", "1")
