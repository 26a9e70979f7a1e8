"""The words in which a person writes a transaction.

    if                              conditions, all of which must hold; none: always
      value stock > 3               value, compared as text: = != < >
      version order/7 = 0           how often it was put: = != < >; also created, modified (revisions) and lease (an id)
      exists stock
      absent order/7
    then                            what is done if they hold
      put order/7 "3 pieces"        put KEY VALUE [lease=ID]
      del reservation               del KEY, or del --prefix PREFIX
    else                            what is done if not
      get stock                     get KEY
      range order/                  range PREFIX [limit=N]

One phrase per line, quoted as in a shell; # begins a comment. The section words may also begin a line with its first phrase.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.output import bytes_of
from quorate.cluster.service import commands
from quorate.cluster.service.commands import Comparison, Operation, Relation, Target

RELATIONS = {"=": Relation.EQUAL, "==": Relation.EQUAL, "!=": Relation.NOT_EQUAL, "<": Relation.LESS, ">": Relation.GREATER}
TARGETS = {
    "value": Target.VALUE,
    "version": Target.VERSION,
    "created": Target.CREATE_REVISION,
    "modified": Target.MOD_REVISION,
    "lease": Target.LEASE,
}
SECTIONS = ("if", "then", "else")

Span = tuple[str, Operation]
"""What was written, and what it means."""


@dataclass(slots=True)
class Phrases:
    """A transaction as read."""

    conditions: list[Comparison] = field(default_factory=list)
    then: list[Span] = field(default_factory=list)
    otherwise: list[Span] = field(default_factory=list)

    def add(self, section: str, phrase: str) -> None:
        match section:
            case "if":
                self.conditions.append(condition(phrase))
            case "then":
                self.then.append((phrase, operation(phrase)))
            case _:
                self.otherwise.append((phrase, operation(phrase)))


def parse(lines: Iterable[str]) -> Phrases:
    """UsageError names the line that cannot be understood."""
    found = Phrases()
    section = ""
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise UsageError(f"line {number}: {error} in {line.strip()!r}") from None
        if not words:
            continue
        rest = line.strip()
        if words[0].rstrip(":") in SECTIONS:
            section = words[0].rstrip(":")
            rest = rest[len(words[0]) :].strip()
            if len(words) == 1:
                continue
        if not section:
            raise UsageError(f"line {number}: {rest!r} stands before `if`, `then` or `else`")
        try:
            found.add(section, rest)
        except UsageError as error:
            raise UsageError(f"line {number}: {error.message}") from None
    return found


def condition(phrase: str) -> Comparison:
    match _words(phrase):
        case ["exists", key]:
            return commands.compare(bytes_of(key), Target.VERSION, Relation.GREATER, 0)
        case ["absent", key]:
            return commands.absent(bytes_of(key))
        case [target, key, relation, operand] if target in TARGETS and relation in RELATIONS:
            kind = TARGETS[target]
            wanted = bytes_of(operand) if kind is Target.VALUE else _number(operand, phrase)
            return commands.compare(bytes_of(key), kind, RELATIONS[relation], wanted)
    raise UsageError(
        f"not a condition: {phrase!r}; write `value KEY = VALUE`, `version KEY > N`, `exists KEY` or `absent KEY` "
        f"({', '.join(TARGETS)}; = != < >)"
    )


def operation(phrase: str) -> Operation:
    match _words(phrase):
        case ["put", key, value]:
            return commands.put(bytes_of(key), bytes_of(value))
        case ["put", key, value, option] if option.startswith("lease="):
            return commands.put(bytes_of(key), bytes_of(value), lease=_number(option.removeprefix("lease="), phrase))
        case ["del" | "delete", key] if key != "--prefix":
            return commands.delete(bytes_of(key))
        case ["del" | "delete", "--prefix", prefix] if prefix:
            return commands.delete_range(*commands.prefix(bytes_of(prefix)))
        case ["get", key]:
            return commands.get(bytes_of(key))
        case ["range", prefix]:
            return commands.range(*commands.prefix(bytes_of(prefix)))
        case ["range", prefix, option] if option.startswith("limit="):
            return commands.range(*commands.prefix(bytes_of(prefix)), limit=_number(option.removeprefix("limit="), phrase))
    raise UsageError(
        f"not an operation: {phrase!r}; write `put KEY VALUE [lease=ID]`, `del KEY`, `del --prefix PREFIX`, `get KEY` or `range PREFIX`"
    )


def _words(phrase: str) -> list[str]:
    try:
        return shlex.split(phrase, comments=True)
    except ValueError as error:
        raise UsageError(f"{error} in {phrase!r}") from None


def _number(text: str, phrase: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{text!r} in {phrase!r} is not a number")
    return int(text)
