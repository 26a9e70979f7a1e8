"""A verdict in the terminal: the answer, what proves it in as few lines as it takes, the counts; and what is not shown, counted."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quorate.cluster.cli import output
from quorate.cluster.cli.output import Column
from quorate.cluster.verify.report import words

if TYPE_CHECKING:
    from quorate.cluster.verify.history import History
    from quorate.cluster.verify.verdict import Finding, Verdict

FINDINGS_MAX = 5
"""Findings that a terminal shows; --json and --html have all that the checker gave."""
OPERATIONS_MAX = 16
"""Operations of one finding that a terminal shows."""
COLUMNS_MAX = 72
"""Of one operation."""
STYLES = {"valid": "bold green", "invalid": "bold red", "unknown": "bold yellow"}


def show(history: "History", verdict: "Verdict") -> None:
    """All of it on standard output."""
    _headline(verdict.answer.value, words.visible(f"{history.source or 'history'} ({verdict.model})"))
    output.line(words.visible(verdict.reason))
    named = words.names(history)
    for finding in verdict.findings[:FINDINGS_MAX]:
        output.line()
        _finding(finding, named)
    _hidden(len(verdict.findings) - FINDINGS_MAX, "more finding")
    output.line()
    output.line("; ".join(f"{name.replace('_', ' ')} {words.fact(fact)}" for name, fact in verdict.facts.items()))
    if "cut_off" in history.facts:
        output.line(f"The file is cut off: {words.fact(history.facts['cut_off'])}")


def _headline(answer: str, rest: str) -> None:
    if not sys.stdout.isatty():
        output.line(f"{answer.upper()}  {rest}")
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text.assemble((answer.upper(), STYLES[answer]), "  ", rest))


def _finding(finding: "Finding", named: Mapping[int, str]) -> None:
    output.line(words.visible(finding.name) + (f", key {words.key(finding.key)}" if finding.key is not None else ""))
    for line in finding.why.splitlines():
        output.line(f"  {words.visible(line)}")
    for edge in finding.cycle[:OPERATIONS_MAX]:
        ends = f"{named.get(edge.source.called, '?')} -> {named.get(edge.target.called, '?')}"
        output.line(f"  {ends} {edge.kind}: {words.visible(edge.reason)}")
    _hidden(len(finding.cycle) - OPERATIONS_MAX, "more dependency of the cycle", "more dependencies of the cycle")
    if finding.order or finding.stuck:
        _order(finding)
    elif finding.operations:
        shown = range(min(len(finding.operations), OPERATIONS_MAX))
        _table(finding, [(named.get(finding.operations[index].called, ""), index, "") for index in shown], "NAME")
        _hidden(len(finding.operations) - OPERATIONS_MAX, "more operation")
    if left_out := words.left_out(finding):
        output.line(left_out)


def _order(finding: "Finding") -> None:
    """The end of the longest order that works, and what could come next."""
    first = max(len(finding.order) - OPERATIONS_MAX, 0)
    _hidden(first, "earlier step")
    states = dict(enumerate(finding.states))
    rows = [(str(step + 1), finding.order[step], states.get(step, "")) for step in range(first, len(finding.order))]
    rows += [("stuck", index, "does not fit") for index in finding.stuck[:OPERATIONS_MAX]]
    _table(finding, rows, "STEP")
    _hidden(len(finding.stuck) - OPERATIONS_MAX, "more operation that does not fit", "more operations that do not fit")


def _table(finding: "Finding", rows: Sequence[tuple[str, int, str]], first: str) -> None:
    """Rows of (first column, position of the operation, state after it). A column with nothing in it is left out."""
    with_names, with_states = any(name for name, _, _ in rows), any(state for _, _, state in rows)
    columns = [*([Column(first)] if with_names else []), Column("OPERATION"), Column("PROCESS", number=True), Column("LINE", number=True)]
    columns += [Column("STATE AFTER IT")] if with_states else []
    cells = []
    for name, index, state in rows:
        each = finding.operations[index]
        said = words.short(words.operation(each, with_key=each.key != finding.key), COLUMNS_MAX)
        cells.append(
            [
                *([name] if with_names else []),
                said,
                str(each.process),
                str(each.line or ""),
                *([words.visible(state)] if with_states else []),
            ]
        )
    output.table(columns, cells)


def _hidden(number: int, noun: str, plural: str = "") -> None:
    """Says that so many are not shown, if any."""
    if number > 0:
        said = f"{number:,} {plural}" if plural and number > 1 else words.counted(number, noun)
        output.line(f"... {said} not shown; --html and --json have more.")
