"""Node logs for people: JSON lines of several nodes, merged by time, one readable line each."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

LINE_BYTES = 4096
"""What a log line is taken to need at most when the last ones are looked for; longer ones give fewer lines."""
FIRST_KEYS = ("timestamp", "level", "event", "node")
"""Shown in their own columns; everything else follows as name=value."""


class LogLine(NamedTuple):
    """One line of one node's log. Sorts by time, then in the order of the file."""

    timestamp: str
    node: str
    position: int
    text: str
    """As written."""


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a file, without reading all of it; none if it is not there."""
    if lines <= 0:
        return []
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size - LINE_BYTES * lines)
            file.seek(start)
            *found, rest = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return []
    if start and found:
        del found[0]  # it begins in the middle
    if rest and (_fields(rest) or not rest.startswith("{")):
        found.append(rest)  # the last words of a process that died; but half a JSON line is still being written
    return found[-lines:]


def merged(texts: Mapping[str, list[str]]) -> list[LogLine]:
    """The lines of several nodes in the order of time. A line without one (a traceback) stays behind the line before it."""
    found = []
    for node, lines in texts.items():
        timestamp = ""
        for position, text in enumerate(lines):
            timestamp = str(_fields(text).get("timestamp", timestamp))
            found.append(LogLine(timestamp, node, position, text))
    return sorted(found)


def readable(node: str, text: str) -> str:
    """ "12:03:04.123 n1 warning became leader  term=7" of a JSON line; other lines as they are, with the node's name."""
    fields = _fields(text)
    if not fields:
        return f"{'':12} {node:<4} {text}"
    time_of_day = str(fields.get("timestamp", "")).partition("T")[2].rstrip("Z")[:12]
    level = str(fields.get("level", ""))
    event = str(fields.get("event", ""))
    rest = "  ".join(f"{name}={_value(value)}" for name, value in fields.items() if name not in FIRST_KEYS)
    return f"{time_of_day:12} {node:<4} {level:<7} {event}{'  ' + rest if rest else ''}"


def follow(paths: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """(node, line) for lines written from now on; ends a round with ("", "") so that the caller can wait. Never ends by itself."""
    positions = {node: path.stat().st_size if path.exists() else 0 for node, path in paths.items()}
    pieces: dict[str, bytes] = dict.fromkeys(paths, b"")
    while True:
        for node, path in paths.items():
            try:
                size = path.stat().st_size
                if size < positions[node]:
                    positions[node], pieces[node] = 0, b""  # the log was set aside and begun anew
                with path.open("rb") as file:
                    file.seek(positions[node])
                    data = pieces[node] + file.read()
                    positions[node] = file.tell()
            except OSError:
                continue
            *lines, pieces[node] = data.split(b"\n")
            for line in lines:
                yield node, line.decode("utf-8", "replace")
        yield "", ""


def _fields(text: str) -> dict[str, object]:
    if not text.startswith("{"):
        return {}
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return repr(text) if " " in text and isinstance(value, str) else text
