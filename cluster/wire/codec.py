"""Messages as bytes: the msgpack array [tag, *fields], checked on decode for tag, arity and every field's type.

Encoding trusts our own code. Decoding trusts nothing: whatever the bytes, it returns a well-typed message or raises ValueError.
A field may be int, bool, str, bytes, None in a union, an enum, a tuple of such, or a dataclass of such (an array of its fields).
A last field that was added later (LATE) is left out while it has its default, so that rows without it are what they always were.
Shapes are worked out once per class from its annotations. One thread only: the packer is shared.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import product
from operator import attrgetter
from types import NoneType, UnionType
from typing import Generic, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from msgpack import Packer, unpackb

from quorate.protocols.core import TAGS, Message

# A class with many optional fields would have 2**n accepted rows of types; beyond this it is checked field by field.
ACCEPTED_ROWS_MAX = 64
# How much of a wrong value an error quotes: enough to recognise it, never a whole batch of entries.
QUOTE_CHARACTERS_MAX = 40

PLAIN_TYPES: tuple[type, ...] = (int, bool, str, bytes, NoneType)

T = TypeVar("T")

_pack: Callable[[object], bytes] = Packer(use_bin_type=True).pack


def encode(message: Message) -> bytes:
    """The message on the wire."""
    shape = shape_of(type(message))
    return _pack((message.tag, *shape.row(message)))


def decode(data: bytes) -> Message:
    """The message that `data` is; ValueError names the message, the field, what came and what was expected."""
    try:
        row = unpackb(data, use_list=False, raw=False)
    except ValueError as problem:
        raise ValueError(f"not a msgpack message: {problem or type(problem).__name__}") from None
    if type(row) is not tuple or not row:
        raise ValueError(f"expected [tag, *fields], got {_quote(row)}")
    tag = row[0]
    kind = TAGS.get(tag) if type(tag) is int else None
    if kind is None:
        raise ValueError(f"unknown message tag {_quote(tag)}")
    return shape_of(kind).build(row[1:])


def pack_value(value: object) -> bytes:
    """A dataclass that is no message (a snapshot mark, a configuration) as bytes: the array of its fields."""
    return _pack(shape_of(type(value)).row(value))


def unpack_value(kind: type[T], data: bytes) -> T:
    """What `pack_value` wrote, checked like a message."""
    try:
        row = unpackb(data, use_list=False, raw=False)
    except ValueError as problem:
        raise ValueError(f"{kind.__name__}: not msgpack: {problem or type(problem).__name__}") from None
    return shape_of(kind).build(row)


class Check(Protocol):
    """One field's type: `accept` gives the value to construct with, or raises ValueError(what was expected)."""

    @property
    def types(self) -> frozenset[type]:
        """Types of which every value is right as it is; empty if a value must be looked into."""

    def accept(self, value: object) -> object: ...

    def plain(self, value: object) -> object:
        """The value as msgpack takes it."""


@dataclass(frozen=True, slots=True)
class Plain:
    """int, bool, str, bytes or None: exactly that type, so that True is no int."""

    kind: type

    @property
    def types(self) -> frozenset[type]:
        return frozenset((self.kind,))

    def accept(self, value: object) -> object:
        if type(value) is not self.kind:
            raise _Mismatch(self.kind.__name__ if self.kind is not NoneType else "None", value)
        return value

    def plain(self, value: object) -> object:
        return value


@dataclass(frozen=True, slots=True)
class OneOf:
    """A union; the first alternative that accepts."""

    choices: tuple[Check, ...]

    @property
    def types(self) -> frozenset[type]:
        if all(choice.types for choice in self.choices):
            return frozenset().union(*(choice.types for choice in self.choices))
        return frozenset()

    def accept(self, value: object) -> object:
        expected: list[str] = []
        for choice in self.choices:
            try:
                return choice.accept(value)
            except _Mismatch as mismatch:
                expected.append(mismatch.expected)
        raise _Mismatch(" or ".join(expected), value)

    def plain(self, value: object) -> object:
        if type(value) in PLAIN_TYPES:
            return value
        return next(choice.plain(value) for choice in self.choices if not choice.types)


@dataclass(frozen=True, slots=True)
class Many:
    """tuple[X, ...]"""

    element: Check

    @property
    def types(self) -> frozenset[type]:
        return frozenset()

    def accept(self, value: object) -> object:
        if type(value) is not tuple:
            raise _Mismatch("an array", value)
        accept = self.element.accept
        return tuple([accept(element) for element in value])

    def plain(self, value: object) -> object:
        if self.element.types:
            return value
        return [self.element.plain(element) for element in cast(tuple[object, ...], value)]


@dataclass(frozen=True, slots=True)
class Fixed:
    """tuple[X, Y, Z]"""

    elements: tuple[Check, ...]

    @property
    def types(self) -> frozenset[type]:
        return frozenset()

    def accept(self, value: object) -> object:
        if type(value) is not tuple or len(value) != len(self.elements):
            raise _Mismatch(f"an array of {len(self.elements)}", value)
        return tuple([check.accept(element) for check, element in zip(self.elements, value, strict=True)])

    def plain(self, value: object) -> object:
        return [check.plain(element) for check, element in zip(self.elements, cast(tuple[object, ...], value), strict=True)]


@dataclass(frozen=True, slots=True)
class Choice:
    """An enum, as its value."""

    enum: type[Enum]

    @property
    def types(self) -> frozenset[type]:
        return frozenset()

    def accept(self, value: object) -> object:
        for member in self.enum:
            if type(value) is type(member.value) and value == member.value:
                return member
        raise _Mismatch(f"a {self.enum.__name__}", value)

    def plain(self, value: object) -> object:
        return cast(Enum, value).value


@dataclass(frozen=True, slots=True)
class Nested:
    """A dataclass inside: the array of its fields."""

    kind: type

    @property
    def types(self) -> frozenset[type]:
        return frozenset()

    def accept(self, value: object) -> object:
        return shape_of(self.kind).build(value)

    def plain(self, value: object) -> object:
        return shape_of(self.kind).row(value)


class _Mismatch(ValueError):
    """A value of the wrong type; `expected` in words."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"expected {expected}, got {_quote(value)}")
        self.expected = expected


class Shape(Generic[T]):
    """How one class goes to a row of plain values and back. Made by `shape_of`, once per class."""

    __slots__ = ("accepted", "checks", "kind", "late", "names", "row")

    def __init__(self, kind: type[T]) -> None:
        hints = get_type_hints(kind)
        self.kind = kind
        made = [field for field in fields(cast(type, kind)) if field.init]
        self.names = tuple(field.name for field in made)
        self.late = made[-1].default if made and made[-1].metadata.get("late") else None
        """The default of a last field that may be missing; None if none may."""
        self.checks = tuple(_check_of(hints[name], f"{kind.__name__}.{name}") for name in self.names)
        self.accepted = self._accepted_rows()
        self.row = self._row_getter()

    def build(self, row: object) -> T:
        """An instance from the plain values of its fields; ValueError if they do not fit."""
        if self.late is not None and type(row) is tuple and len(row) == len(self.names) - 1:
            row = (*row, self.late)
        if type(row) is not tuple or len(row) != len(self.names):
            raise _Mismatch(f"{self.kind.__name__}: {len(self.names)} fields", row)
        if tuple(map(type, row)) in self.accepted:
            return self.kind(*row)
        values: list[object] = []
        for name, check, value in zip(self.names, self.checks, row, strict=True):
            try:
                values.append(check.accept(value))
            except ValueError as problem:
                raise ValueError(f"{self.kind.__name__}.{name}: {problem}") from None
        return self.kind(*values)

    def _accepted_rows(self) -> frozenset[tuple[type, ...]]:
        """Rows of types that need no further look: one set lookup checks most messages."""
        choices = [check.types for check in self.checks]
        count = 1
        for choice in choices:
            count *= len(choice)
        return frozenset(product(*choices)) if 0 < count <= ACCEPTED_ROWS_MAX else frozenset()

    def _row_getter(self) -> Callable[[object], tuple[object, ...]]:
        whole = self._whole_row_getter()
        late, last = self.late, self.names[-1:]
        if late is None:
            return whole
        return lambda value: whole(value)[:-1] if getattr(value, last[0]) == late else whole(value)

    def _whole_row_getter(self) -> Callable[[object], tuple[object, ...]]:
        names, checks = self.names, self.checks
        if not names:
            return lambda value: ()
        if all(check.types or (isinstance(check, Many) and check.element.types) for check in checks):
            if len(names) == 1:
                only = attrgetter(names[0])
                return lambda value: (only(value),)
            return cast(Callable[[object], tuple[object, ...]], attrgetter(*names))
        getters = [(attrgetter(name), None if check.types else check.plain) for name, check in zip(names, checks, strict=True)]
        return lambda value: tuple([get(value) if plain is None else plain(get(value)) for get, plain in getters])


@cache
def _shape_of(kind: type) -> Shape[object]:
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is no dataclass")
    return Shape(kind)


def shape_of(kind: type[T]) -> Shape[T]:
    """The shape of a message or value class. TypeError if a field's type cannot go on the wire."""
    return cast(Shape[T], _shape_of(cast(type, kind)))


def _check_of(hint: object, where: str) -> Check:
    if isinstance(hint, type) and hint in PLAIN_TYPES:
        return Plain(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return OneOf(tuple(_check_of(argument, where) for argument in arguments))
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return Many(_check_of(arguments[0], where))
        return Fixed(tuple(_check_of(argument, where) for argument in arguments))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Choice(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return Nested(hint)
    raise TypeError(f"{where}: {hint} cannot go on the wire")


def _quote(value: object) -> str:
    """What came, in a few characters; never walks into nested arrays, which a peer may nest deep."""
    match value:
        case None | bool() | int() | float():
            return f"{type(value).__name__} {value!r}" if value is not None else "None"
        case str() | bytes() if len(value) <= QUOTE_CHARACTERS_MAX:
            return f"{type(value).__name__} {value!r}"
        case tuple():
            return f"an array of {len(value)}"
        case str() | bytes() | dict():
            return f"{type(value).__name__} of {len(value)}"
        case _:
            return type(value).__name__
