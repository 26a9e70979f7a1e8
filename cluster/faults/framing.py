"""Bytes of a connection cut into frames, each with its type and term, and passed on byte for byte.

The rule: a frame's bytes are never packed anew; what was read is what is written, unless a fault says otherwise. The type is that of
the message inside ("Append", "Vote"), or "hello" and "welcome", or a client's method ("put"), or "reply".
"""

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

import msgpack

import quorate.cluster.runtime.engines  # registers the messages of every engine  # noqa: F401
from quorate.cluster.wire.rpc import CLIENT_ELEMENTS_MAX, CLIENT_FRAME_MAX, NOTIFICATION, PEER_FRAME_MAX, REQUEST, RESPONSE
from quorate.protocols.core.messages import TAGS

if TYPE_CHECKING:
    from quorate.cluster.faults.tap import Seen

KIND_CHARACTERS_MAX = 40
"""A type is a key of tables and metrics: what a stranger sends must not make it long."""
_INT_SIZES = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
"""msgpack's unsigned integers: uint8 to uint64."""


class NotFrames(ValueError):
    """The bytes are no msgpack-RPC, or a frame is too large: the connection cannot be followed any further."""


@dataclass(slots=True)
class Frame:
    data: bytes
    kind: str
    term: int = 0
    payload_size: int = 0
    """Of the message inside, which ends the frame and is covered by its checksum."""
    handshake: object = None
    """What a hello or a welcome says: such a frame belongs to its connection, it is never doubled, damaged or delivered on another."""
    seen: "Seen | None" = None
    """Where a tap on its link wants to be told what becomes of it."""


class Framer(Protocol):
    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. NotFrames if what came is none."""


class RawFramer:
    """Bytes of an unknown protocol: whatever one read gives is a frame of its own."""

    def feed(self, data: bytes) -> list[Frame]:
        return [Frame(bytes(data), "bytes")]


class RpcFramer:
    """msgpack-RPC. Incremental: a frame may come in any number of pieces."""

    def __init__(self, frame_size_max: int, elements_max: int) -> None:
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=frame_size_max,
            max_array_len=elements_max,
            max_map_len=elements_max,
            use_list=True,
            raw=False,
            strict_map_key=True,
        )
        self._begun: list[bytes] = []
        """The pieces of the frame that is not whole yet."""
        self._end = 0
        """Where in the stream the last whole frame ended."""

    def feed(self, data: bytes) -> list[Frame]:
        unpacker = self._unpacker
        frames: list[Frame] = []
        at = -sum(map(len, self._begun)) if self._begun else 0
        try:
            unpacker.feed(data)
            for value in unpacker:
                end = unpacker.tell()
                size, self._end = end - self._end, end
                if at < 0:
                    piece = b"".join((*self._begun, data[: at + size]))
                    self._begun.clear()
                else:
                    piece = bytes(data[at : at + size])
                at += size
                frames.append(self._describe(piece, value))
        except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as problem:
            # What came before the damage is passed on by nobody either: the connection ends here.
            raise NotFrames(f"not msgpack-RPC: {problem!r:.200}") from None
        if at < len(data):
            self._begun.append(bytes(data[max(at, 0) :]))
        return frames

    def _describe(self, data: bytes, value: object) -> Frame:
        raise NotImplementedError


class PeerFramer(RpcFramer):
    """Between nodes."""

    def __init__(self) -> None:
        super().__init__(PEER_FRAME_MAX, PEER_FRAME_MAX)

    def _describe(self, data: bytes, value: object) -> Frame:
        match value:
            case [2, "m", [_, _, bytes(payload)]]:
                kind, term = describe(payload)
                return Frame(data, kind, term, len(payload))
            case [2, "b", [int(tag), _, bytes(payload)]]:
                # Heartbeats of several groups, each with a term of its own: together they have none.
                return Frame(data, _known(tag)[0], 0, len(payload))
            case [0, _, str(method), list(params)]:
                return Frame(data, method[:KIND_CHARACTERS_MAX], handshake=(value[1], method, params))
            case [1, _, error, result]:
                return Frame(data, "welcome" if error is None else "refusal", handshake=result if result is not None else error)
            case _:
                return Frame(data, "unknown")


class ClientFramer(RpcFramer):
    """Between clients and nodes."""

    def __init__(self) -> None:
        super().__init__(CLIENT_FRAME_MAX, CLIENT_ELEMENTS_MAX)

    def _describe(self, data: bytes, value: object) -> Frame:
        match value:
            case [kind, _, str(method), _] if kind == REQUEST:
                return Frame(data, method[:KIND_CHARACTERS_MAX])
            case [kind, str(method), _] if kind == NOTIFICATION:
                return Frame(data, method[:KIND_CHARACTERS_MAX])
            case [kind, _, _, _] if kind == RESPONSE:
                return Frame(data, "reply")
            case _:
                return Frame(data, "unknown")


class ReplyFramer(ClientFramer):
    """The way back to a client: a reply may hold more than a request."""

    def __init__(self) -> None:
        RpcFramer.__init__(self, PEER_FRAME_MAX, PEER_FRAME_MAX)


def describe(payload: bytes) -> tuple[str, int]:
    """The type and the term of a message between cores, by its first bytes; no term is 0."""
    head = payload[0] if payload else 0
    try:
        if not 0x90 <= head <= 0x9F:
            return _slowly(payload)
        tag, at = _unsigned(payload, 1)
        kind, place = _known(tag)
        if place < 0:
            return kind, 0
        return (kind, _unsigned(payload, at)[0]) if place == 0 else _slowly(payload)
    except (IndexError, KeyError):
        return "unknown", 0


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    """(the msgpack integer there, where it ends); KeyError if it is none that is not negative."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    end = at + 1 + _INT_SIZES[first]
    if end > len(data):
        raise IndexError
    return int.from_bytes(data[at + 1 : end], "big"), end


def _slowly(payload: bytes) -> tuple[str, int]:
    try:
        row = msgpack.unpackb(payload, use_list=False)
    except ValueError:
        return "unknown", 0
    if not isinstance(row, tuple) or not row or type(row[0]) is not int:
        return "unknown", 0
    kind, place = _known(row[0])
    term = row[1 + place] if 0 <= place < len(row) - 1 else 0
    return kind, term if type(term) is int else 0


@cache
def _known(tag: int) -> tuple[str, int]:
    """(type of that tag, the place of its term among its fields, or -1). Bounded by what a tag may be."""
    kind = TAGS.get(tag)
    if kind is None:
        return "unknown", -1
    names = [field.name for field in fields(cast(type, kind)) if field.init]
    return kind.__name__, names.index("term") if "term" in names else -1
