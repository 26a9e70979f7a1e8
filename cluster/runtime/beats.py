"""Coalesced heartbeats: what all groups say to one peer at the same moment, again and again, is one frame.

The rule: a row carries all that its message carries alone (term, commit, round ...), and is given to its own group's core exactly as
if it had come alone, to be judged by its own term. Nothing is inferred from a group's being in a frame, or from its not being there.

CockroachDB coalesces the heartbeats of its ranges in this way; there they wait for the next beat of their store. Here nothing waits:
all groups count the same ticks and beat at the same ones (TermOptions.beats_together), so what a turn of the node (pulse.py) has
gathered is all of it. On the wire: ["b", [tag, crc32, rows]], rows = msgpack [[group, *fields of the message], ...].
"""

import asyncio
import zlib
from collections.abc import Callable, Iterator

from msgpack import Packer, unpackb

from quorate.cluster.wire.codec import encode, shape_of
from quorate.cluster.wire.rpc import NOTIFICATION, Outbox, pack
from quorate.protocols.core import TAGS, Message

ROWS_MAX = 4096
"""Of one frame: some 100 kB, which hold up what comes behind them for less than a millisecond on a slow network."""

_pack_rows: Callable[[object], bytes] = Packer(autoreset=True).pack


class Gathering:
    """What is to leave for one peer at the end of this turn: a frame for each kind of message."""

    def __init__(self, outbox: Outbox, send: Callable[[bytes], None]) -> None:
        self._outbox = outbox
        self._send = send
        self._waiting: dict[type[Message], list[tuple[str, Message]]] = {}

    def add(self, group: str, message: Message) -> None:
        if not self._waiting:
            self._outbox.add(self, asyncio.get_running_loop())
        self._waiting.setdefault(type(message), []).append((group, message))

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for kind, rows in waiting.items():
            for first in range(0, len(rows), ROWS_MAX):
                part = rows[first : first + ROWS_MAX]
                self._send(together(kind, part) if len(part) > 1 else alone(*part[0]))


def alone(group: str, message: Message) -> bytes:
    """A message in a frame of its own."""
    payload = encode(message)
    return pack((NOTIFICATION, "m", (group, zlib.crc32(payload), payload)))


def together(kind: type[Message], rows: list[tuple[str, Message]]) -> bytes:
    """One frame of messages of one kind, each with its group."""
    row = shape_of(kind).row
    payload = _pack_rows([(group, *row(message)) for group, message in rows])
    return pack((NOTIFICATION, "b", (kind.tag, zlib.crc32(payload), payload)))


def apart(tag: int, payload: bytes) -> Iterator[tuple[str, Message]]:
    """The messages of a frame, with their groups; ValueError if they are none."""
    kind = TAGS.get(tag)
    if kind is None or not kind.is_beat:
        raise ValueError(f"messages of tag {tag} do not travel together")
    try:
        rows = unpackb(payload, use_list=False, raw=False)
    except ValueError as problem:
        raise ValueError(f"not msgpack rows: {problem or type(problem).__name__}") from None
    if type(rows) is not tuple:
        raise ValueError("expected rows of [group, *fields]")
    build = shape_of(kind).build
    for row in rows:
        if type(row) is not tuple or not row or type(row[0]) is not str:
            raise ValueError("expected a row of [group, *fields]")
        yield row[0], build(row[1:])
