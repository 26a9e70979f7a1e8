"""History files: our own JSON lines, and what other testers write.

Our own, one JSON object a line, the header first:

    {"quorate": "history", "version": 1, "model": "kv", "seed": 7, "facts": {"initial": null}}
    {"type": "invoke", "process": 0, "f": "put", "key": "x", "value": "1", "time": 1200}
    {"type": "invoke", "process": 1, "f": "get", "key": "x", "time": 1300}
    {"type": "ok", "process": 0, "value": 17, "time": 2100}
    {"type": "info", "process": 1, "error": "Uncertain: no answer", "time": 9000}

`value` is the argument of an invocation and the result of an `ok`; left out where it is null. `fail`: it did not happen and
never will. `info`: not known; the process invokes nothing more under that number. Times are ns, for people.

Values: null, booleans, integers, text, arrays (tuples), and {"hex": "ff00"} for bytes. The rule: bytes that are UTF-8 are
text, wherever they come from, so that a value has one form. `plain` brings a value into it.
"""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from quorate.cluster.verify.events import INVOKE, KINDS, BadHistory, Event, assemble, checked_depth, checked_number
from quorate.cluster.verify.history import NUMBER_BITS_MAX, History
from quorate.cluster.verify.jepsen import edn_events, log_events

VERSION = 1
BOM = b"\xef\xbb\xbf"
"""Some editors put it before a file in UTF-8."""
FORMATS = "JSON lines of `quorate`, Jepsen's EDN operations ({:process 0, :type :invoke, ...}), or Jepsen's log lines"
QUOTED_CHARACTERS_MAX = 60
"""So much of a line that cannot be read is repeated to the reader."""


def plain(value: object) -> object:
    """A value in the one form that it has in histories. TypeError for what no history can hold."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return bytes(value)
        case tuple() | list():
            return tuple(plain(item) for item in value)
    raise TypeError(f"a history holds None, bool, int, str, bytes and tuples of these, not {value!r:.100}")


def to_json(value: object) -> object:
    """A plain value as JSON has it."""
    match value:
        case bytes():
            return {"hex": value.hex()}
        case tuple():
            return [to_json(item) for item in value]
        case _:
            return value


def from_json(value: object, depth: int = 0) -> object:
    """The plain value that some JSON stands for. ValueError if it stands for none."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return checked_number(value)
        case list():
            return tuple(from_json(item, depth + 1) for item in checked_depth(value, depth))
        case {"hex": str(digits), **others} if not others:
            return plain(bytes.fromhex(digits))
    raise ValueError(f"not a value of a history: {json.dumps(value)[:QUOTED_CHARACTERS_MAX]}")


def read(path: str | Path) -> History:
    """The history of a file, whichever format it has. BadHistory with the line, OSError."""
    with open(path, "rb") as file:
        return read_stream(file, str(path))


def read_stream(file: BinaryIO, source: str) -> History:
    """The same of what is open already; `source` is what errors call it."""
    if not file.seekable():
        file = BytesIO(file.read())  # a pipe, as `<(zcat run.jsonl.gz)` is
    start = len(BOM) if file.read(len(BOM)) == BOM else 0
    file.seek(start)
    head, number = b"", 0
    for line in file:
        number += 1
        if head := line.strip():
            break
    file.seek(start)
    if not head:
        raise BadHistory(source, number or 1, f"the file is empty; expected {FORMATS}")
    if head.startswith((b'{"', b'{ "')):
        return _read_own(file, source)
    lines = _text(file, source)
    if head[:1] in b"{[(;#":
        return assemble(edn_events(lines, source), source=source, facts={"format": "edn"})
    if b"jepsen" in head:
        return assemble(log_events(lines, source), source=source, facts={"format": "log"})
    raise BadHistory(source, number, f"cannot tell what this is: {_quoted(head)}; expected {FORMATS}")


def _read_own(file: BinaryIO, source: str) -> History:
    lines = enumerate(file, 1)
    facts: dict[str, object] = {"format": "json"}
    for number, line in lines:
        if line.strip():
            facts |= _header(line, number, source)
            break
    return assemble(_own_events(lines, facts, source), source=source, facts=facts)


def _header(line: bytes, number: int, source: str) -> dict[str, object]:
    expected = 'expected the header {"quorate": "history", "version": 1, ...}'
    header = _object(line, number, source, expected)
    if header.get("quorate") != "history":
        raise BadHistory(source, number, f"{expected}, not {_quoted(line)}")
    if header.get("version") != VERSION:
        raise BadHistory(source, number, f"version {header.get('version')!r} of the format; this quorate reads version {VERSION}")
    facts = header.get("facts", {})
    if not isinstance(facts, dict):
        raise BadHistory(source, number, f"the facts of a header are an object, not {json.dumps(facts)[:QUOTED_CHARACTERS_MAX]}")
    try:
        known = {name: from_json(value) for name, value in facts.items()}
        return known | {name: from_json(header[name]) for name in ("model", "seed") if name in header}
    except ValueError as error:
        raise BadHistory(source, number, str(error)) from None


def _own_events(lines: Iterator[tuple[int, bytes]], facts: dict[str, object], source: str) -> Iterator[Event]:
    """The events below the header. A last line without its end is what a crash of the recorder leaves: a fact, no damage."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield _event(line, number, source)
        except BadHistory:
            if line.endswith(b"\n"):
                raise
            facts["cut_off"] = f"line {number}: only its first {len(line)} bytes were written: {_quoted(line)}"


def _event(line: bytes, number: int, source: str) -> Event:
    fields = _object(line, number, source, "expected an event, as a JSON object")
    kind, process = fields.get("type"), fields.get("process")
    if kind not in KINDS:
        raise BadHistory(source, number, f'"type" is one of {", ".join(KINDS)}, not {kind!r}')
    if type(process) is not int or process.bit_length() > NUMBER_BITS_MAX:
        raise BadHistory(source, number, f'"process" is an integer, not {process!r:.60}')
    function, time_ns = fields.get("f", ""), fields.get("time", 0)
    if type(function) is not str or (kind == INVOKE and not function):
        raise BadHistory(source, number, f'"f" names the function that is invoked, not {function!r}')
    if type(time_ns) is not int or time_ns.bit_length() > NUMBER_BITS_MAX:
        raise BadHistory(source, number, f'"time" is an integer of ns, not {time_ns!r:.60}')
    try:
        key, value = from_json(fields.get("key")), from_json(fields.get("value"))
    except ValueError as error:
        raise BadHistory(source, number, str(error)) from None
    if not isinstance(key, str | bytes | int | None):
        raise BadHistory(source, number, f'"key" is text, bytes or an integer, not {key!r}')
    return Event(str(kind), process, function, key, value, time_ns, number)


def _object(line: bytes, number: int, source: str, expected: str) -> dict[str, object]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadHistory(source, number, f"{expected}, not {_quoted(line)} ({error})") from None
    if not isinstance(fields, dict):
        raise BadHistory(source, number, f"{expected}, not {_quoted(line)}")
    return fields


def _text(file: BinaryIO, source: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, 1):
        try:
            yield number, line.decode()
        except UnicodeDecodeError:
            raise BadHistory(source, number, f"expected text in UTF-8, not {_quoted(line)}") from None


def _quoted(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace").strip()
    return repr(text if len(text) <= QUOTED_CHARACTERS_MAX else text[:QUOTED_CHARACTERS_MAX] + "...")
