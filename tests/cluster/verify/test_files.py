"""History files: what can be read, and what is said of those that cannot."""

import os
from pathlib import Path

import pytest

from quorate.cluster.verify.checks import check
from quorate.cluster.verify.edn import BadEdn, forms
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.files import from_json, plain, read, to_json
from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.jepsen import edn_events
from quorate.cluster.verify.verdict import Answer

FIXTURES = Path(__file__).parent / "fixtures"
HEADER = '{"quorate": "history", "version": 1, "model": "register", "seed": 7, "facts": {"initial": 0}}\n'
WRITE = '{"type": "invoke", "process": 0, "f": "write", "key": "x", "value": 1, "time": 10}\n'
PLAIN_EDN = "{:process 0 :type :invoke :f :write :value 3}\n"
KEYED_EDN = "{:process 1 :type :invoke :f :read :value [1 nil]}\n"
WRITTEN = '{"type": "ok", "process": 0, "time": 20}\n'


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "history"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def told(operation: Operation) -> tuple[object, ...]:
    return operation.process, operation.function, operation.key, operation.argument, operation.result, operation.outcome.value


def test_our_own_lines(tmp_path: Path) -> None:
    lines = HEADER + WRITE + '{"type": "invoke", "process": 1, "f": "read", "key": "x", "time": 12}\n' + WRITTEN
    history = read(written(tmp_path, lines + '\n{"type": "ok", "process": 1, "value": 1, "time": 30}\n'))

    first = Operation(0, "write", "x", 1, None, Outcome.OK, 0, 2, 10, 20, line=2, returned_line=4)
    second = Operation(1, "read", "x", None, 1, Outcome.OK, 1, 3, 12, 30, line=3, returned_line=6)
    assert (first, second) == history.operations
    assert {"format": "json", "model": "register", "seed": 7, "initial": 0} == history.facts


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff\x00", {"hex": "ff00"}),
        (b"text", "text"),
        ("\N{SNOWMAN}", "\N{SNOWMAN}"),
        ((1, (None, b"\x80"), "\udc80"), [1, [None, {"hex": "80"}], "\udc80"]),
        (True, True),
    ],
)
def test_a_value_has_one_form_and_comes_back(value: object, expected: object) -> None:
    assert expected == to_json(plain(value))
    assert plain(value) == from_json(to_json(plain(value)))
    assert plain(value) == plain(plain(value))


def test_bytes_that_were_written_as_bytes_are_text_if_they_can_be() -> None:
    assert "x" == from_json({"hex": "78"})


def test_a_value_that_no_history_can_hold() -> None:
    with pytest.raises(TypeError, match=r"a history holds .* not 1\.5"):
        plain((1, 1.5))


def test_a_crash_of_the_recorder_leaves_a_history(tmp_path: Path) -> None:
    history = read(written(tmp_path, HEADER + WRITE + WRITTEN[:-9]))

    assert [Outcome.UNKNOWN] == [operation.outcome for operation in history.operations]
    assert 'line 3: only its first 32 bytes were written: \'{"type": "ok", "process": 0, "ti\'' == history.facts["cut_off"]


def test_a_last_line_without_its_end_counts_if_it_is_whole(tmp_path: Path) -> None:
    history = read(written(tmp_path, HEADER + WRITE + WRITTEN.strip()))

    assert ([Outcome.OK], False) == ([operation.outcome for operation in history.operations], "cut_off" in history.facts)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "the file is empty; expected JSON lines"),
        ("\n\n", 2, "the file is empty"),
        ("GET / HTTP/1.1\n", 1, "cannot tell what this is: 'GET / HTTP/1.1'; expected JSON lines of `quorate`, Jepsen's EDN"),
        (b"\x7fELF\x02\xff\xfe" * 100, 1, "cannot tell what this is: '\\x7fELF"),
        ('{"level": "info"}\n', 1, 'expected the header {"quorate": "history"'),
        ('{"quorate": "history", "version": 2}\n', 1, "version 2 of the format; this quorate reads version 1"),
        ('{"quorate": "history", "version": 1, "facts": []}\n', 1, "the facts of a header are an object"),
        ('{"quorate": "history", "version": 1, "facts": {"a": 1.5}}\n', 1, "not a value of a history: 1.5"),
        (HEADER + '{"type": "invoke", "process"\n' + WRITE, 2, 'not \'{"type": "invoke", "process"\''),
        (HEADER + "[" * 100_000 + "\n", 2, "expected an event"),
        (HEADER + "3\n", 2, "expected an event, as a JSON object, not '3'"),
        (HEADER + WRITE.replace("invoke", "begin"), 2, '"type" is one of invoke, ok, fail, info, not \'begin\''),
        (HEADER + WRITE.replace('"process": 0', '"process": "a"'), 2, "\"process\" is an integer, not 'a'"),
        (HEADER + WRITE.replace('"f": "write", ', ""), 2, '"f" names the function'),
        (HEADER + WRITE.replace('"time": 10', '"time": 1.5'), 2, '"time" is an integer of ns, not 1.5'),
        (HEADER + WRITE.replace('"value": 1', '"value": {"a": 1}'), 2, "not a value of a history"),
        (HEADER + WRITE.replace('"value": 1', '"value": {"hex": "0g"}'), 2, "non-hexadecimal"),
        (HEADER + WRITE.replace('"x"', "[1]"), 2, '"key" is text, bytes or an integer'),
        (HEADER + WRITE.replace('"value": 1', '"value": ' + "[" * 101 + "]" * 101), 2, "nested 100 deep at the most"),
        (HEADER + WRITE.replace('"value": 1', '"value": ' + "9" * 400), 2, "a number of 1,329 bits; those of a history have 1,000"),
        (HEADER + WRITE.replace('"process": 0', '"process": ' + "9" * 400), 2, "\"process\" is an integer, not 9999"),
        (HEADER + WRITE.replace('"time": 10', '"time": ' + "9" * 400), 2, "\"time\" is an integer of ns, not 9999"),
        (HEADER + WRITE + WRITE, 3, "process 0 invokes write, but its write of line 2 has not returned"),
        (HEADER + WRITTEN, 2, "process 0 returns (ok), but has invoked nothing"),
        (HEADER + WRITE + WRITTEN + WRITTEN, 4, "a second time from its write of line 2: it returned at line 3"),
        (HEADER + WRITE + WRITTEN.replace("ok", "info") + WRITE, 4, "the outcome of its write of line 2 stayed unknown (line 3)"),
        (HEADER + WRITE + WRITTEN.replace('"process"', '"f": "read", "process"'), 3, "from read, but what it invoked (line 2) is write"),
        (HEADER + WRITE + WRITTEN.replace('"process"', '"key": "y", "process"'), 3, "returns for key 'y', but invoked (line 2) for 'x'"),
        ("{:process 0, :type :invoke, :f :read\n", 1, "the file ends within what '{' opened on line 1"),
        ("{:process 0 :type :invoke :f :read}}\n", 1, "'}' closes nothing"),
        ("[{:process 0 :type :invoke :f :read)\n", 1, "')' where '{' of line 1 has to be closed first"),
        ("{:process 0, :type}\n", 1, "a map has a key without a value"),
        ("{{} 1}\n", 1, "a map has a map for a key"),
        ("{:process 0\n :error \"no end}\n{:process 0\n", 2, "a string has no end: '\"no end}"),
        ("{:process 0, :type :invoke, :f :read, :value #<Object>}\n", 1, "cannot be read as EDN: '#<Object>}'"),
        ("{:process 0, :type :invoke}\n", 1, ":f :read, :value nil}: there is no :f"),
        ("(1 2)\n", 1, "expected an operation such as {:process 0, :type :invoke"),
        ("{:process 0, :type :begin, :f :read}\n", 1, ":type is one of :invoke, :ok, :fail, :info, not 'begin'"),
        ("{:process 0, :type :ok, :f :read, :value 1}\n", 1, "has invoked nothing"),
        ("{:process 0, :type :invoke, :f [1]}\n", 1, ":f is a keyword"),
        ("{:process 0 :type :invoke :f :cas :value 3}\n", 1, "a cas has the value [old new], not 3"),
        ("{:process 0 :type :invoke :f :write :value " + "[" * 5_000 + "]" * 5_000 + "}\n", 1, "nested 100 deep at the most"),
        ("{:process 0 :type :invoke :f :write :value " + "9" * 5_000 + "}\n", 1, "a number of 5,000 digits; those of a history have 300"),
        ("{:process 0.5 :type :invoke :f :write :value 1}\n", 1, ":process is a number or a name, not 0.5"),
        ("INFO  jepsen.util - " + "4" * 5_000 + "  :invoke  :read  nil\n", 1, "444444444444444444... is no process"),
        (PLAIN_EDN + KEYED_EDN, 2, "has a key, but that of line 1 has none"),
        (KEYED_EDN + PLAIN_EDN, 2, "has no key, but that of line 1 has"),
        ("INFO  jepsen.util - 4  :invoke  :read\n", 1, "expected process, type, function and value"),
        ("INFO  jepsen.util - 4  :invoke  :read  nil\ngarbage\n", 2, "expected a line of a Jepsen log, not 'garbage'"),
        ("INFO  jepsen.util - 4  :invoke  :read  [1\n", 1, "the file ends within what '[' opened"),
        (b"INFO  jepsen.util - 4  :invoke  :read  nil\n\xff\xfe\n", 2, "expected text in UTF-8"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_file_is_told_by_its_line(tmp_path: Path, text: str | bytes, line: int, problem: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(BadHistory) as caught:
        read(path)

    assert f"{path}:{line}: " == caught.value.message[: len(f"{path}:{line}: ")]
    assert problem in caught.value.message


def test_a_time_without_end_is_none() -> None:
    event, *_ = edn_events([(1, "{:process 0 :type :invoke :f :read :value nil :time 1e999}")], "run.edn")

    assert 0 == event.time_ns


def test_a_byte_order_mark_before_the_file_is_passed_over(tmp_path: Path) -> None:
    for text in (HEADER + WRITE, PLAIN_EDN):
        history = read(written(tmp_path, b"\xef\xbb\xbf" + text.encode()))

        assert 1 == len(history.operations)


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    """One that cannot be rewound: `quorate verify <(zcat run.jsonl.gz)`."""
    reading, writing = os.pipe()
    os.write(writing, (HEADER + WRITE + WRITTEN).encode())
    os.close(writing)

    assert 1 == len(read(f"/dev/fd/{reading}").operations)
    os.close(reading)


@pytest.mark.parametrize("model", ["kv", "session", "bank", "queue", "counter"])
def test_facts_that_are_none_of_the_models_are_refused(tmp_path: Path, model: str) -> None:
    invocation = {"bank": ("read", "null", "null"), "queue": ("dequeue", "null", "null"), "counter": ("read", '"x"', "null")}
    function, key, value = invocation.get(model, ("put", '"x"', '"1"'))
    event = f'{{"type": "invoke", "process": 0, "f": "{function}", "key": {key}, "value": {value}}}\n'
    header = HEADER.replace('{"initial": 0}', '{"initial": [["x", [1]], 3], "initial_by_key": [["x", "1"]], "sessions": 5}')
    history = read(written(tmp_path, (header if model != "queue" else HEADER) + event.replace('"dequeue", "key": null', '"dequeue"')))

    with pytest.raises(BadHistory, match=r"history:1: "):
        check(history, model)


def test_jepsens_operations_with_a_timeout_a_nemesis_and_an_open_write() -> None:
    expected = [
        (0, "write", None, 3, None, "ok"),
        (1, "read", None, None, 3, "ok"),
        (2, "cas", None, (3, 4), None, "info"),
        (3, "cas", None, (1, 2), None, "fail"),
        (4, "read", None, None, 4, "ok"),
        (7, "write", None, 1, None, "info"),
    ]
    history = read(FIXTURES / "cas-register.edn")

    assert expected == [told(operation) for operation in history.operations]
    read_by_4 = history.operations[4]
    assert (8, 9, 10, 11) == (read_by_4.called, read_by_4.returned, read_by_4.line, read_by_4.returned_line)
    assert Answer.VALID is check(history, "cas").answer


def test_jepsens_vector_of_independent_keys() -> None:
    history = read(FIXTURES / "independent-stale.edn")

    expected = [(0, "write", 7, 1, None, "ok"), (1, "write", 8, 5, None, "ok"), (0, "cas", 7, (1, 2), True, "ok")]
    assert expected == [told(operation) for operation in history.operations[:3]]
    verdict = check(history, "cas")
    assert (Answer.INVALID, 7) == (verdict.answer, verdict.findings[0].key)
    assert "process 1 read 1 (line 9) of key 7,\nbut 2 was written after 1" in verdict.findings[0].why


def test_jepsens_list_append() -> None:
    asked = (("r", 3, None), ("append", 4, 1))
    history = read(FIXTURES / "list-append.edn")

    assert (1, "txn", None, asked, (("r", 3, (1,)), ("append", 4, 1)), "ok") == told(history.operations[1])
    assert (0, "txn", None, (("append", 3, 2),), None, "info") == told(history.operations[2])


def test_jepsens_older_log() -> None:
    history = read(FIXTURES / "etcd.log")

    expected = [(1, "cas", None, (2, 3), None, "info"), (4, "cas", None, (1, 2), None, "fail"), (2, "read", None, None, None, "fail")]
    assert expected == [told(operation) for operation in history.operations[2:5]]
    verdict = check(history, "cas")
    assert Answer.INVALID is verdict.answer
    assert "the object then is 3, and process 0 read 2 (line 15) does not fit." in verdict.findings[0].why


def test_edn_forms() -> None:
    text = '#{1 2} (a \\newline \\u0041 "\\u0042\\n\\"") #_ skipped #inst "2020" #_#_ 1 2 [-3N 1.5M 2e3 :a/b nil true] {:k #_ 1 {}} ; end'

    expected = [(1, 2), ("a", "\n", "A", 'B\n"'), "2020", (-3, 1.5, 2000.0, "a/b", None, True), {"k": {}}]
    assert expected == [form for _, form in forms([(1, text)])]


def test_edn_of_any_depth() -> None:
    deep = "[" * 50_000 + "]" * 50_000

    assert 1 == len(list(forms([(1, deep)])))


def test_a_string_that_lacks_its_end_does_not_swallow_the_file() -> None:
    lines = [(number, '{:a "unfinished' + "x" * 100 + "\n" if number == 3 else "{:a 1 }" * 100 + "\n") for number in range(1, 10_000)]

    with pytest.raises(BadEdn, match="a string has no end") as caught:
        list(forms(lines))

    assert 3 == caught.value.line
