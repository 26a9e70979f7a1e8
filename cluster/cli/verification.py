"""`quorate verify`: could a consistent service have given this history?

Its exit codes are the verdict's, so that scripts can rely on them: 0 valid, 1 invalid, 2 unknown. What is no verdict has codes of
its own: 64 for a command that cannot be understood, 65 for a file that cannot be read or judged. Of several files the worst
counts: an invalid one is a proof, whatever the others are; then one that could not be judged; then an unknown one.
"""

import io
import os
import re
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, Misused
from quorate.cluster.cli.options import JsonOption
from quorate.cluster.wire.errors import BadRequest, QuorateError

if TYPE_CHECKING:
    from quorate.cluster.verify.report.page import Checked
    from quorate.cluster.verify.verdict import Budget

STDIN = "-"
TIME_LIMIT_S = 60.0
MEMORY_LIMIT = "2G"
STATE_BYTES = 200
"""What the search needs for one state that it keeps: 127 as measured with registers, more where a state is more than a number."""
SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
WORST_FIRST = (1, Exit.UNREADABLE, 2, 0)
"""Exit codes of single files: invalid, not judged, unknown, valid."""


class VerifyCommand(TyperCommand):
    """A wrong option ends with 64: 2, as everywhere else, would be the verdict UNKNOWN."""

    def make_context(self, *words: object, **options: object) -> typer.Context:
        try:
            return super().make_context(*words, **options)  # type: ignore[arg-type, return-value]
        except Exception as error:
            # The library's class of usage errors has no public name, but they have its exit code.
            if getattr(error, "exit_code", None) == Exit.USAGE:
                error.exit_code = Exit.MISUSED  # type: ignore[attr-defined]
            raise


def verify(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Histories; `-` is standard input.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="MODEL", help="What the service claims to be. Default: what the file says.", show_default=False
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option("--level", "-l", metavar="LEVEL", help="The isolation that is claimed, for list-append.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="OUT", help="Write a page for people: one file that needs no network.", show_default=False),
    ] = None,
    time_limit: Annotated[float, typer.Option("--time-limit", min=0.001, metavar="SECONDS", help="For each file.")] = TIME_LIMIT_S,
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", metavar="SIZE", help="For the states that the search keeps; as 512M or 2G.")
    ] = MEMORY_LIMIT,
    json: JsonOption = False,
) -> None:
    """Check a recorded history: linearizable, serializable, complete?

    FILE holds JSON lines as quorate records them, or a history of Jepsen: EDN operations, or its older log lines.

    Exit code 0: valid. 1: invalid; the operations that prove it are shown. 2: unknown, because a limit ran out. 64: the command
    cannot be understood. 65: a file cannot be read, or is no history of that model. Of several files the worst counts: 1, 65, 2, 0.

    Examples:

    - `quorate verify run.jsonl`
    - `quorate verify store/history.edn --model cas --html report.html`
    - `quorate verify runs/*.jsonl --json | jq -r '.verdict + " " + .file'`
    """
    from quorate.cluster.verify.verdict import Budget

    _check_names(model, level)
    options = _options(level, time_limit, memory_limit)
    budget = Budget(time_limit, max(_bytes_of(memory_limit) // STATE_BYTES, 1))
    judged: list[Checked] = []
    codes: set[int] = set()
    for file in files:
        try:
            with _busy(f"checking {_name(file)}"):
                checked = _judge(file, model, level, budget, options)
        except (QuorateError, OSError) as error:
            output.complain(f"error: {_message(file, error)}")
            codes.add(int(Exit.UNREADABLE))
            continue
        if codes and not json:
            _print(output.line)
        _print(partial(_show, checked, json=json))
        codes.add(checked.verdict.answer.exit_code)
        if html:
            judged.append(checked)
    if html:
        _write(html, judged)
    raise Answer(next(code for code in WORST_FIRST if code in codes))


def _check_names(model: str | None, level: str | None) -> None:
    """Misused, with the names that there are, before any file is read."""
    from quorate.cluster.verify.checks import CHECKS, named

    if model is not None:
        try:
            named(model, level)
        except BadRequest as error:
            raise Misused(error.message) from None
    levels = {each for check in CHECKS.values() for each in check.levels}
    if level is not None and level not in levels:
        raise Misused(f"there is no level {level!r}; there are {', '.join(sorted(levels))}")


def _bytes_of(size: str) -> int:
    match = SIZE.fullmatch(size.strip())
    if not match:
        raise Misused(f"--memory-limit is a size as 512M or 2G, not {size!r}")
    return int(float(match[1]) * SIZES[match[2].lower()])


def _options(level: str | None, time_limit: float, memory_limit: str) -> list[str]:
    """Those of the command's options that a verdict depends on, where they are not the default."""
    words = ["--level", level] if level else []
    words += ["--time-limit", f"{time_limit:g}"] if time_limit != TIME_LIMIT_S else []
    return words + (["--memory-limit", memory_limit] if memory_limit != MEMORY_LIMIT else [])


def _name(file: str) -> str:
    return "standard input" if file == STDIN else file


def _judge(file: str, model: str | None, level: str | None, budget: "Budget", options: list[str]) -> "Checked":
    """The verdict about one file. BadHistory, BadRequest, OSError."""
    from quorate.cluster.verify.checks import CHECKS, check
    from quorate.cluster.verify.files import read, read_stream
    from quorate.cluster.verify.report.page import Checked

    history = read_stream(io.BytesIO(sys.stdin.buffer.read()), _name(file)) if file == STDIN else read(file)
    chosen = model or history.facts.get("model")
    if not isinstance(chosen, str):
        raise BadRequest(f"{_name(file)} does not say which model it is of; name it with --model: {', '.join(CHECKS)}")
    verdict = check(history, chosen, budget, level=level)
    return Checked(history, verdict, shlex.join(["quorate", "verify", file, "--model", chosen, *options]))


def _message(file: str, error: QuorateError | OSError) -> str:
    """What happened, where, and what to do."""
    if isinstance(error, QuorateError):
        return error.message if _name(file) in error.message else f"{_name(file)}: {error.message}"
    return f"cannot read {_name(file)}: {error.strerror or error}"


def _busy(words: str) -> AbstractContextManager[object]:
    """Shows a person who waits that something happens."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(words)


def _show(checked: "Checked", *, json: bool) -> None:
    if json:
        from quorate.cluster.verify.report.document import document

        output.document(document(checked.history, checked.verdict))
    else:
        from quorate.cluster.cli import verdicts

        verdicts.show(checked.history, checked.verdict)


def _print(act: Callable[[], None]) -> None:
    """Whoever reads the output may have enough of it, or the disk; the verdict must reach the exit code all the same."""
    try:
        act()
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            output.complain(f"error: cannot write to standard output: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(path: Path, judged: "list[Checked]") -> None:
    from quorate.cluster.verify.report.page import render

    if not judged:
        output.complain(f"{path} is not written: no history was checked")
        return
    try:
        path.write_text(render(judged), "utf-8")
    except OSError as error:
        raise Misused(f"cannot write {path}: {error.strerror}") from None
    output.complain(f"wrote {path}")


def add_to(app: typer.Typer) -> None:
    app.command("verify", rich_help_panel="Proof", cls=VerifyCommand)(verify)
