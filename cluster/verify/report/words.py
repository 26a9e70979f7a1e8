"""Operations and their values in words, as the command line and the page show them.

The rule it keeps: what is shown is text, never a control character that a terminal would obey; what is shortened shows an ellipsis.
"""

import re
from collections.abc import Sequence
from unicodedata import east_asian_width

from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.report import phrases
from quorate.cluster.verify.verdict import Finding

PLAIN = re.compile(r"[^\W\d][\w./:@+-]*")
"""Strings that cannot be taken for anything else stand without quotes."""
WORDS = frozenset({"nil", "true", "false"})
READS = frozenset({"read", "get", "r", "dequeue"})
"""Functions that are told something even when it is nothing."""

TRANSACTION = "txn"
CELL_COLUMNS = 1000
"""Of one step of an operation, where it has a line of its own: a list of ten thousand elements is not read anyway."""
OUTCOMES = {Outcome.OK: "ok", Outcome.FAILED: "failed", Outcome.UNKNOWN: "unknown"}


def value(thing: object) -> str:
    match thing:
        case None:
            return "nil"
        case bool():
            return "true" if thing else "false"
        case str():
            return thing if PLAIN.fullmatch(thing) and thing not in WORDS else quoted(thing)
        case bytes():
            return _bytes(thing)
        case tuple() | list():
            return f"[{', '.join(map(value, thing))}]"
        case dict():
            return f"{{{', '.join(f'{value(name)}: {value(each)}' for name, each in thing.items())}}}"
    return visible(str(thing))


def quoted(text: str) -> str:
    return '"' + visible(text).replace('"', '\\"') + '"'


def visible(text: str) -> str:
    """The same text with every control character and line break written out."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode() for letter in text)


def _bytes(data: bytes) -> str:
    try:
        return value(data.decode("utf-8"))
    except UnicodeDecodeError:
        return "0x" + data.hex()


def key(thing: str | bytes | int | None) -> str:
    return "" if thing is None else value(thing)


def operation(each: Operation, *, with_key: bool = False) -> str:
    """ "write 3", "read → 3", "append x 1, read y → [1]", "cas [1, 2]?": what was asked, and what the client was told."""
    asked = [visible(each.function)]
    if with_key and each.key is not None:
        asked.append(key(each.key))
    if _is_transaction(each):
        return _transaction(each)
    if (phrase := phrases.asked(each, value)) is not None:
        asked.append(phrase)
    elif each.argument is not None:
        asked.append(value(each.argument))
    return f"{' '.join(asked)}{_told(each)}"


def _told(each: Operation) -> str:
    match each.outcome:
        case Outcome.UNKNOWN:
            return " ?"
        case Outcome.FAILED:
            return " ✗"
    if (phrase := phrases.told(each, value)) is not None:
        return f" → {phrase}"
    if each.function in READS:
        return f" → {value(each.result)}"
    return "" if each.result is None else f" → {value(each.result)}"


def _is_transaction(each: Operation) -> bool:
    """One of list-append: steps such as ("append", key, value). Those of the service have another form, see phrases."""
    return each.function == TRANSACTION and _are_steps(each.argument)


def _are_steps(argument: object) -> bool:
    return (
        isinstance(argument, tuple)
        and bool(argument)
        and all(isinstance(part, tuple) and part and isinstance(part[0], str) for part in argument)
    )


def parts(each: Operation, *, with_key: bool = True) -> list[str]:
    """The lines of an operation: one per step of a transaction."""
    if not _is_transaction(each):
        return [operation(each, with_key=with_key)]
    known = each.outcome is Outcome.OK and _are_steps(each.result)
    steps = each.result if known else each.argument
    assert isinstance(steps, tuple), each
    return [_step(step, known=known) for step in steps]


def _step(step: Sequence[object], *, known: bool) -> str:
    function, rest = str(step[0]), step[1:]
    if function in READS and len(rest) == 2:
        return f"read {value(rest[0])} → {value(rest[1])}" if known else f"read {value(rest[0])}"
    return " ".join([visible(function), *map(value, rest)])


def _transaction(each: Operation) -> str:
    mark = {Outcome.UNKNOWN: " ?", Outcome.FAILED: " ✗"}.get(each.outcome, "")
    return f"{' · '.join(parts(each))}{mark}"


def columns(text: str) -> int:
    """How many columns the text takes where all letters are equally wide."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def short(text: str, columns_max: int) -> str:
    """Cut in the middle: the end of a long list says as much as its beginning."""
    if columns(text) <= columns_max:
        return text
    tail = columns_max // 3
    return f"{_take(text, columns_max - tail - 1)}…{_take(text[::-1], tail)[::-1]}"


def _take(text: str, columns_max: int) -> str:
    taken = 0
    for index, letter in enumerate(text):
        taken += columns(letter)
        if taken > columns_max:
            return text[:index]
    return text


def sentence(text: str) -> str:
    """With a capital letter, where it begins with a word; what is quoted stays as it is."""
    return text[:1].upper() + text[1:]


def counted(number: int, noun: str) -> str:
    """ "1 operation", "2,000 operations"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def span(ns: int) -> str:
    """A time for people: "0 s", "340 ns", "12.4 ms", "3.02 s"."""
    if ns == 0:
        return "0 s"
    for size, unit in ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if abs(ns) >= size:
            return f"{ns / size:,.4g} {unit}" if abs(ns) < 10_000 * size else f"{ns / size:,.0f} {unit}"
    return f"{ns} ns"


def names(history: History) -> dict[int, str]:
    """Short names of transactions by the position of their call, the same as in the sentences of their checker: T1, T2, ..."""
    return {each.called: f"T{number}" for number, each in enumerate(history.operations, 1) if _is_transaction(each)}


def left_out(finding: Finding) -> str:
    """What the checker did not list, if anything."""
    number = finding.omitted
    if not number:
        return ""
    if finding.order or finding.stuck:
        whose = "the object" if finding.key is None else f"key {key(finding.key)}"
        return f"{counted(number, 'other operation')} of {whose} not shown: it fails without them."
    return f"{number:,} more of this kind not shown."


def fact(thing: object) -> str:
    match thing:
        case bool():
            return value(thing)
        case int():
            return f"{thing:,}"
        case float():
            return f"{thing:,.3g}"
        case str():
            return visible(thing)
    return value(thing)
