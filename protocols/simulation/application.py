"""What a world replicates for its clients, and how they speak with it: the small one of floor 0, and the port for others.

The rule it keeps: every value ever written is written once, so that whoever reads it can tell which write it was.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from quorate.protocols.core import Entry, StateMachine


@dataclass(frozen=True, slots=True)
class Call:
    """What one client asks for, in the words of histories, and as the machine's bytes."""

    function: str
    key: str | None
    argument: object
    payload: bytes
    writes: bool = True
    """Whether it needs the log; else `payload` is a query."""


class Application(Protocol):
    """A state machine and its clients' language. Worlds of higher floors hand in their own."""

    def machine(self) -> StateMachine:
        """An empty one."""

    def write(self, rng: Random, process: int) -> Call:
        """Something that changes the state, or may."""

    def read(self, rng: Random, process: int) -> Call: ...

    def result(self, call: Call, payload: bytes) -> object:
        """What the machine's answer to the call means, as a history records it."""


KEYS = ("x", "y", "z")
"""Few, so that clients meet."""

_TRUE, _FALSE = b"1", b"0"
_END = b"end\n"


class RegisterMachine:
    """Keys and their values: `w key value`, `c key old new`, `a key value` appends, `r key` reads; several, joined by `;`, at once.

    A query is any number of `r key`. Answers are joined in the same way: values, 1 or 0 for a comparison, nothing for a write, ? for
    what is none of these.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def apply(self, entry: Entry) -> bytes:
        return b";".join([self._carry_out(act) for act in entry.data.split(b";")])

    def _carry_out(self, act: bytes) -> bytes:
        values = self.values
        match act.split(b" "):
            case [b"r", key]:
                return values.get(key, b"")
            case [b"w", key, value]:
                values[key] = value
            case [b"a", key, value]:
                values[key] = b"%b,%b" % (values[key], value) if key in values else value
            case [b"c", key, old, new]:
                if values.get(key, b"") != old:
                    return _FALSE
                values[key] = new
                return _TRUE
            case _:
                return b"?"
        return b""

    def query(self, query: bytes) -> bytes:
        return b";".join([self.values.get(act[2:], b"") for act in query.split(b";")])

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        return ()

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        values = dict(self.values)

        def encode() -> Iterator[bytes]:
            yield from (b"%b %b\n" % (key, values[key]) for key in sorted(values))
            yield _END

        return encode

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        data = b"".join(chunks)
        yield
        if not data.endswith(_END):
            raise ValueError(f"the snapshot of the registers ends early: {data[-20:]!r}")
        self.values = {key: value for key, _, value in (line.partition(b" ") for line in data.removesuffix(_END).splitlines())}


class Registers:
    """Clients of a RegisterMachine that read, write, and compare and swap: good for the models `register` and `cas`."""

    def __init__(self, cas: float = 0.3) -> None:
        self._cas = cas
        """The share of the writes that compare first."""
        self._count = 0
        self._latest: dict[str, int] = {}
        """Per key the value written last: what comparisons expect, or some of them would never succeed."""

    def machine(self) -> StateMachine:
        return RegisterMachine()

    def write(self, rng: Random, process: int) -> Call:
        key = rng.choice(KEYS)
        expected = self._latest.get(key, 0)
        self._count += 1
        value = self._latest[key] = self._count
        if expected and rng.random() < self._cas:
            return Call("cas", key, (expected, value), b"c %b %d %d" % (key.encode(), expected, value))
        return Call("write", key, value, b"w %b %d" % (key.encode(), value))

    def read(self, rng: Random, process: int) -> Call:
        key = rng.choice(KEYS)
        return Call("read", key, None, b"r " + key.encode(), writes=False)

    def result(self, call: Call, payload: bytes) -> object:
        match call.function:
            case "read":
                return int(payload) if payload else None
            case "cas":
                return payload == _TRUE
            case _:
                return None


class Lists:
    """Clients whose transactions append to lists and read them: good for the model `list-append`.

    An argument is a tuple of (append, key, value) and (r, key, None); a result is the same with what was read.
    """

    ACTS_MAX = 4
    APPENDS_MAX = 40
    """Then the next list takes a key's place: every read carries the whole list."""

    def __init__(self) -> None:
        self._count = 0

    def machine(self) -> StateMachine:
        return RegisterMachine()

    def write(self, rng: Random, process: int) -> Call:
        return self._call(rng, rng.randint(1, self.ACTS_MAX), appends=True)

    def read(self, rng: Random, process: int) -> Call:
        return self._call(rng, rng.randint(1, self.ACTS_MAX), appends=False)

    def _call(self, rng: Random, count: int, *, appends: bool) -> Call:
        acts: list[tuple[str, str, int | None]] = []
        for at in range(count):
            key = f"{rng.choice(KEYS)}{self._count // (self.APPENDS_MAX * len(KEYS))}"
            if appends and (not at or rng.random() < 0.5):
                self._count += 1
                acts.append(("append", key, self._count))
            else:
                acts.append(("r", key, None))
        payload = ";".join(f"r {key}" if value is None else f"a {key} {value}" for _, key, value in acts)
        return Call("txn", None, tuple(acts), payload.encode(), writes=appends)

    def result(self, call: Call, payload: bytes) -> object:
        assert isinstance(call.argument, tuple), call
        told = []
        for (function, key, value), answer in zip(call.argument, payload.split(b";"), strict=True):
            read = tuple(int(part) for part in answer.split(b",")) if answer else ()
            told.append((function, key, read if function == "r" else value))
        return tuple(told)
