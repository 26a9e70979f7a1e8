"""`quorate verify`: its verdicts, its exit codes, what it says of bad input, and that nothing is hidden without a word."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.cluster.cli import verdicts
from quorate.cluster.verify.checks import CHECKS
from quorate.cluster.verify.files import read
from quorate.cluster.verify.history import History
from quorate.cluster.verify.verdict import Answer, Finding, Verdict
from tests.cluster.cli.conftest import Command
from tests.cluster.verify.made import history, operation, write_skew

HISTORIES = Path(__file__).parents[3] / "docs" / "histories"
VALID, INVALID = str(HISTORIES / "register-valid.jsonl"), str(HISTORIES / "register-invalid.jsonl")
HARD = 24
"""So many concurrent writes, then two reads that contradict each other: every subset of the writes must be tried."""


@pytest.fixture
def hard(tmp_path: Path) -> str:
    """A history that takes minutes to decide."""
    lines: list[dict[str, object]] = [{"quorate": "history", "version": 1, "model": "cas"}]
    lines += [{"type": "invoke", "process": number, "f": "write", "key": "x", "value": number} for number in range(HARD)]
    lines += [{"type": "ok", "process": number} for number in range(HARD)]
    for value in (1, 2):
        lines += [{"type": "invoke", "process": 0, "f": "read", "key": "x"}, {"type": "ok", "process": 0, "value": value}]
    path = tmp_path / "hard.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture
def damaged(tmp_path: Path) -> str:
    path = tmp_path / "damaged.jsonl"
    path.write_text(Path(VALID).read_text() + '{"type": "ok", "process": 9}\n')
    return str(path)


def test_a_valid_history_is_0_and_says_what_was_checked(quorate: Command) -> None:
    ran = quorate("verify", VALID)

    assert (0, "") == (ran.code, ran.err)
    assert ran.out.startswith(f"VALID  {VALID} (register)\n")
    assert "operations 5; unknown outcomes 1" in ran.out


def test_an_invalid_history_is_1_and_shows_the_key_the_longest_order_and_what_does_not_fit(quorate: Command) -> None:
    ran = quorate("verify", INVALID)

    assert (1, "") == (ran.code, ran.err)
    assert ran.out.startswith(f"INVALID  {INVALID} (register)\n")
    assert "not linearizable, key x\n" in ran.out
    assert re.search(r"^1 +write 1 +0 +2 +is 1$", ran.out, re.MULTILINE)
    assert re.search(r"^stuck +read → 1 +2 +10 +does not fit$", ran.out, re.MULTILINE)


def test_a_limit_that_runs_out_is_2_and_says_which(quorate: Command, hard: str) -> None:
    time, memory = quorate("verify", hard, "--time-limit", "0.001"), quorate("verify", hard, "--memory-limit", "1k")

    assert (2, True, True) == (time.code, time.out.startswith("UNKNOWN"), "time: 0.001 s" in time.out)
    assert (2, True, True) == (memory.code, memory.out.startswith("UNKNOWN"), "memory: more than 5 states" in memory.out)


def test_a_cycle_is_told_edge_by_edge(quorate: Command) -> None:
    ran = quorate("verify", str(HISTORIES / "list-append-invalid.jsonl"))

    assert 1 == ran.code
    assert re.search(r"^  T1 -> T2 rw: ", ran.out, re.MULTILINE)
    assert re.search(r"^  T2 -> T1 rw: ", ran.out, re.MULTILINE)
    assert re.search(r"^T1 +append x 1 · read y → \[\] ", ran.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ((VALID, VALID), 0),
        ((VALID, "hard"), 2),
        ((VALID, "damaged", "hard"), 65),
        (("damaged", INVALID, "hard"), 1),
        ((INVALID, VALID), 1),
    ],
)
def test_of_several_files_the_worst_counts_and_each_is_told(
    quorate: Command, hard: str, damaged: str, files: tuple[str, ...], code: int
) -> None:
    named = [{"hard": hard, "damaged": damaged}.get(file, file) for file in files]

    ran = quorate("verify", *named, "--time-limit", "0.001")

    assert code == ran.code
    assert len(files) == ran.out.count(" (register)\n") + ran.out.count(" (cas)\n") + ran.err.count("error: ")


def test_a_damaged_file_is_65_with_its_path_and_line(quorate: Command, damaged: str) -> None:
    ran = quorate("verify", damaged)

    assert (65, "") == (ran.code, ran.out)
    assert ran.err.startswith(f"error: {damaged}:12: process 9 returns (ok), but has invoked nothing")


@pytest.mark.parametrize(("content", "said"), [(b"", "the file is empty"), (b"\x7fELF\x00", "cannot tell what this is"), (b"[1, 2]", "")])
def test_a_foreign_file_is_65(quorate: Command, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(content)

    ran = quorate("verify", str(path), "--model", "register")

    assert (65, "") == (ran.code, ran.out)
    assert ran.err.startswith(f"error: {path}:1: ")
    assert said in ran.err


def test_what_cannot_be_read_is_65(quorate: Command, tmp_path: Path) -> None:
    assert (65, "", f"error: cannot read {tmp_path}/none: No such file or directory\n") == quorate("verify", f"{tmp_path}/none")
    assert (65, "", f"error: cannot read {tmp_path}: Is a directory\n") == quorate("verify", str(tmp_path))


def test_operations_of_another_model_are_65_and_name_those_that_it_knows(quorate: Command) -> None:
    ran = quorate("verify", VALID, "--model", "list-append")

    assert 65 == ran.code
    assert f"error: {VALID}:2: " in ran.err
    assert "'txn'" in ran.err


def test_an_unknown_model_is_64_and_lists_the_known_ones(quorate: Command) -> None:
    ran = quorate("verify", VALID, "--model", "regster")

    assert (64, "") == (ran.code, ran.out)
    assert "there is no model 'regster'" in ran.err
    assert set(CHECKS) == {line.split()[0] for line in ran.err.splitlines()[1:]}


def test_an_unknown_model_in_a_header_is_the_file_s_fault(quorate: Command, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text('{"quorate": "history", "version": 1, "model": "regster"}\n')

    ran = quorate("verify", str(path))

    assert (65, True, True) == (ran.code, f"{path}: there is no model 'regster'" in ran.err, "register" in ran.err)


def test_a_file_that_says_no_model_needs_one(quorate: Command) -> None:
    ran = quorate("verify", str(Path(__file__).parents[1] / "verify" / "fixtures" / "cas-register.edn"))

    assert (65, True) == (ran.code, "name it with --model: " in ran.err)


@pytest.mark.parametrize(
    "words",
    [
        (),
        (VALID, "--frobnicate"),
        (VALID, "--time-limit", "0"),
        (VALID, "--time-limit", "soon"),
        (VALID, "--memory-limit", "2 apples"),
        (VALID, "--level", "best"),
        (VALID, "--model", "register", "--level", "serializable"),
        (VALID, "--html", "/nonexistent/page.html"),
    ],
)
def test_a_command_that_cannot_be_understood_is_64_and_never_the_verdict_unknown(quorate: Command, words: tuple[str, ...]) -> None:
    ran = quorate("verify", *words)

    assert 64 == ran.code
    assert ran.err
    assert "Traceback" not in ran.err


def test_a_weaker_level_allows_what_a_stronger_one_forbids(quorate: Command, tmp_path: Path) -> None:
    path = str(HISTORIES / "list-append-invalid.jsonl")

    assert [1, 1, 0, 0] == [
        quorate("verify", path, *words).code
        for words in (
            (),
            ("--level", "serializable"),
            ("--level", "snapshot-isolation"),
            ("-l", "read-committed", "--html", f"{tmp_path}/p"),
        )
    ]
    assert "--model list-append --level read-committed" in (tmp_path / "p").read_text("utf-8")


def test_a_level_that_the_model_of_a_file_does_not_have_is_the_file_s_fault(quorate: Command) -> None:
    ran = quorate("verify", VALID, "--level", "serializable")

    assert (65, True) == (ran.code, "the model register has no level 'serializable'; it has none" in ran.err)


def test_standard_input_is_a_file_too(quorate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path(INVALID).read_bytes())))

    ran = quorate("verify", "-", "--model", "cas")

    assert 1 == ran.code
    assert ran.out.startswith("INVALID  standard input (cas)\n")


def test_half_a_character_is_json_too(quorate: Command, tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    lines = ['{"quorate": "history", "version": 1, "model": "register"}', '{"type": "invoke", "process": 0, "f": "read", "key": "x"}']
    path.write_text("\n".join([*lines, '{"type": "ok", "process": 0, "value": "\\ud800"}', ""]))

    ran = quorate("verify", str(path), "--json")

    assert 1 == ran.code
    assert ran.out.isascii()
    assert "\ud800" == json.loads(ran.out)["findings"][0]["operations"][0]["result"]


def test_the_verdict_reaches_the_exit_code_though_the_disk_is_full() -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "quorate.cluster.cli.main", "verify", INVALID, "--model", "cas"], stdout=full, stderr=-1
        )

    assert (1, b"error: cannot write to standard output: No space left on device\n") == (ran.returncode, ran.stderr)


def test_a_closed_standard_output_is_no_mistake() -> None:
    command = shlex.join([sys.executable, "-m", "quorate.cluster.cli.main", "verify", VALID])

    assert 0 == subprocess.run(f"{command} >&-", shell=True).returncode


def test_json_has_all_that_the_checker_said(quorate: Command) -> None:
    ran = quorate("verify", VALID, INVALID, "--json")

    valid, invalid = map(json.loads, ran.out.splitlines())
    assert (1, "") == (ran.code, ran.err)
    assert ("valid", [], VALID, "register", 7) == tuple(valid[name] for name in ("verdict", "findings", "file", "model")) + (
        valid["run"]["seed"],
    )
    [finding] = invalid["findings"]
    assert ("invalid", "x", []) == (invalid["verdict"], finding["key"], finding["cycle"])
    order = [finding["operations"][index] for index in finding["order"]]
    [stuck] = [finding["operations"][index] for index in finding["stuck"]]
    assert ["is 1", "is 2", "is 2"] == finding["states"][-3:]
    assert len(order) == len(finding["states"])
    assert {
        "process": 2,
        "function": "read",
        "key": "x",
        "result": 1,
        "outcome": "ok",
        "line": 10,
        "called_ns": 9_500_000,
    }.items() <= stuck.items()
    assert [("write", 2, "info", None)] == [
        (each["function"], each["argument"], each["outcome"], each["returned"]) for each in order if each["argument"] == 2
    ]
    assert 5 == len(finding["operations"]) + finding["omitted"]


def test_the_page_is_written_beside_the_verdicts(quorate: Command, tmp_path: Path) -> None:
    ran = quorate("verify", VALID, INVALID, "--html", str(tmp_path / "page.html"))

    page = (tmp_path / "page.html").read_text("utf-8")
    assert (1, f"wrote {tmp_path}/page.html\n") == (ran.code, ran.err)
    assert f"quorate verify {INVALID} --model register" in page
    assert f"quorate verify {VALID} --model register" in page


def test_the_command_of_the_page_has_the_options_that_the_verdict_depends_on(quorate: Command, tmp_path: Path) -> None:
    quorate("verify", VALID, "--time-limit", "7", "--memory-limit", "64M", "--html", str(tmp_path / "page.html"))

    assert f"quorate verify {VALID} --model register --time-limit 7 --memory-limit 64M" in (tmp_path / "page.html").read_text("utf-8")


def test_no_page_is_written_where_nothing_was_checked(quorate: Command, damaged: str, tmp_path: Path) -> None:
    ran = quorate("verify", damaged, "--html", str(tmp_path / "page.html"))

    assert (65, True, False) == (ran.code, "is not written" in ran.err, (tmp_path / "page.html").exists())


@pytest.mark.parametrize(("file", "code"), [(VALID, 0), (INVALID, 1)])
def test_a_reader_who_has_enough_does_not_change_the_verdict(file: str, code: int) -> None:
    """The pipe is closed before anything is written to it."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        command = [sys.executable, "-m", "quorate.cluster.cli.main", "verify", file, file]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)

    assert (code, b"") == (done.returncode, done.stderr)


def shown(capsys: pytest.CaptureFixture[str], history: History, verdict: Verdict) -> str:
    verdicts.show(history, verdict)
    return capsys.readouterr().out


def test_what_a_terminal_does_not_show_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    operations = tuple(operation(0, "write", number, called=2 * number, returned=2 * number + 1, key="x") for number in range(60))
    order = tuple(range(40))
    long = Finding("not linearizable", "why", "x", operations, order, tuple(f"is {number}" for number in order), tuple(range(40, 60)))
    listed = Finding("G1a", "why", "x", operations)
    found = shown(capsys, history(operations), Verdict("register", Answer.INVALID, "no", (long, *[listed] * 9)))

    assert "... 24 earlier steps not shown" in found
    assert "... 4 more operations that do not fit not shown" in found
    assert 4 == found.count("... 44 more operations not shown")
    assert "... 5 more findings not shown" in found
    _, cycle = write_skew(20)
    assert "... 4 more dependencies of the cycle not shown" in shown(capsys, history(cycle.findings[0].operations), cycle)


def test_nothing_in_a_history_reaches_the_terminal_as_a_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b]0;owned\x07\nb"
    each = operation(0, evil, evil, evil, called=0, returned=1, key=evil)
    finding = Finding("x", f"{evil}\n{evil}", evil, (each,), (0,), (evil,))
    recorded = History((each,), {"cut_off": evil}, evil)

    out = shown(capsys, recorded, Verdict("register", Answer.INVALID, evil, (finding,), {"found": evil}))

    assert {"\n"} == {letter for letter in out if not letter.isprintable()}


def test_a_file_that_was_cut_off_says_so(quorate: Command, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(Path(VALID).read_text() + '{"type": "invo')

    ran = quorate("verify", str(path))

    assert (0, True) == (ran.code, "The file is cut off: line 12" in ran.out)


@pytest.mark.parametrize("path", sorted(HISTORIES.iterdir()), ids=lambda path: path.stem)
def test_the_samples_of_the_documentation_are_what_their_names_say(quorate: Command, path: Path) -> None:
    model, _, answer = path.stem.rpartition("-")

    assert model == read(path).facts["model"]
    assert Answer(answer).exit_code == quorate("verify", str(path)).code


def test_every_model_has_a_valid_and_an_invalid_sample() -> None:
    assert sorted(f"{name}-{answer}.jsonl" for name in CHECKS for answer in ("valid", "invalid")) == sorted(os.listdir(HISTORIES))
