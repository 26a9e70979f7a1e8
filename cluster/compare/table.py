"""The table as text: for each line what stands under each engine; the medians, and for what chance decides the 95th percentile too."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from quorate.cluster.compare.claims import judge, tally
from quorate.cluster.compare.figures import Cell, Figure, number
from quorate.cluster.compare.rows import Results, Row

HIGH = 0.95
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, ready to be set."""

    words: str
    unit: str
    cells: list[str]
    numbers: bool
    """Whether the cells are figures; else words."""


def lines_of(results: Results, rows: Iterable[Row]) -> list[Line]:
    """A cell for each of the columns that these rows have."""
    chosen = list(rows)
    columns = results.columns(chosen)
    return [_line(row, [results.get(row.key, name) for name in columns]) for row in chosen]


def _line(row: Row, cells: list[Cell | None]) -> Line:
    unit = f"{row.unit}, p50 / p95".lstrip(", ") if row.spread else row.unit
    return Line(row.words, unit, [shown(cell, row) for cell in cells], any(isinstance(cell, Figure) for cell in cells))


def shown(cell: Cell | None, row: Row) -> str:
    match cell:
        case None:
            return NOTHING
        case str():
            return cell
        case Figure():
            middle = number(cell.median, row.digits)
            return f"{middle} / {number(cell.quantile(HIGH), row.digits)}" if row.spread else middle


def text(results: Results, width: int) -> Iterator[str]:
    """The whole table, the claims, and what was not measured, line by line; lines of words are folded to the width."""
    for section, rows in results.sections():
        columns = results.columns(rows)
        yield from ("", section.title, *_folded(section.about, width))
        lines = lines_of(results, rows)
        numeric = [line for line in lines if line.numbers]
        yield from _aligned([["", "", *columns], *([line.words, line.unit, *line.cells] for line in numeric)])
        for line in lines:
            if not line.numbers:
                yield from _words(line, columns, width)
    claims, silent = judge(results)
    if claims:
        yield from ("", f"Claims: {tally(claims)}")
        note = ""
        for claim in claims:
            if claim.note != note:
                note = claim.note
                yield from ("", *_folded(note, width))
            yield from _folded(f"  {claim.verdict.value.upper():<11}  {claim.case}: {claim.evidence}", width, " " * 15)
    gone = [*results.missing, *silent]
    if gone:
        yield from ("", "Not measured")
        for what, why in gone:
            yield from _folded(f"  {what}: {why}", width, "    ")


def _words(line: Line, columns: Sequence[str], width: int) -> Iterator[str]:
    """The engines that say the same stand together."""
    said: dict[str, list[str]] = {}
    for name, cell in zip(columns, line.cells):
        if cell != NOTHING:
            said.setdefault(cell, []).append(name)
    for cell, names in said.items():
        yield from _folded(f"{line.words} ({', '.join(names)}): {cell}", width, "    ")


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:])]
        yield "  ".join([*left, *right]).rstrip()


def _folded(words: str, width: int, indent: str = "") -> Iterator[str]:
    yield from textwrap.wrap(words, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]
