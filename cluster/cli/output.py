"""What commands print: text for people, JSON for machines, bytes as they are.

Keys and values are bytes. As text, what is not UTF-8 is shown with backslashes; in JSON it stands under another name, as
base64, so that a reader never mistakes the one for the other.
"""

import base64
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class Column(NamedTuple):
    """One column of a table; numbers stand to the right."""

    title: str
    number: bool = False


def line(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """To standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def raw(data: bytes, *, newline: bool = True) -> None:
    """Bytes exactly as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data + b"\n" if newline else data)
    sys.stdout.buffer.flush()


def document(value: Json) -> None:
    """One JSON document on one line."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value)  # half a character: JSON has it escaped, UTF-8 has not
    line(text)


def text_of(data: bytes) -> str:
    """For people: UTF-8 where it is, backslashes where not; never a control character that a terminal would obey."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def json_bytes(name: str, data: bytes) -> dict[str, Json]:
    """{"value": "text"}, or {"value_base64": "..."} for bytes that are not UTF-8."""
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode("ascii")}


def bytes_of(argument: str) -> bytes:
    """The bytes that a person typed, also where they are no valid text."""
    return os.fsencode(argument)


def plain_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns without any decoration: for pipes and for small answers."""
    cells = [[column.title for column in columns], *map(list, rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    lines = (
        "  ".join(cell.rjust(width) if column.number else cell.ljust(width) for cell, width, column in zip(row, widths, columns)).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def rich_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], styles: Iterable[str]) -> "Table":
    """The same for a terminal, a colour per row."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        # In a narrow terminal text goes on in the next line; numbers stay whole.
        table.add_column(column.title, justify="right" if column.number else "left", no_wrap=column.number, overflow="fold")
    for row, style in zip(rows, styles):
        table.add_row(*row, style=style)
    return table


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """A table: coloured on a terminal, aligned text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(rich_table(columns, rows, styles or [""] * len(rows)))
    else:
        line(plain_table(columns, rows))


def count(number: int, noun: str) -> str:
    """ "1 node", "3 nodes"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(ms: int) -> str:
    """ "340 ms", "12 s", "3 min 4 s", "2 h 5 min", "4 d 3 h"."""
    seconds = ms // 1000
    if seconds < 1:
        return f"{ms} ms"
    for size, unit, below, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {unit} {rest} {small}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"
