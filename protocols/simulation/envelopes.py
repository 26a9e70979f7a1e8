"""What the envelopes of client sessions say, read from their documented layout by an eye that is not protocols/sessions' own.

The rule it keeps: whoever judges the sessions shares no code with them.
"""

from dataclasses import dataclass
from struct import Struct

from quorate.protocols import sessions

_COMMAND = Struct("<BQQQ")
_NAMED = Struct("<BQ")
_EXPIRE = Struct("<BQQ")


@dataclass(frozen=True, slots=True)
class Envelope:
    """`kind` is one of protocols/sessions' constants; fields that the kind does not have are 0."""

    kind: int
    session: int = 0
    sequence: int = 0
    low_water: int = 0
    last_index: int = 0
    command: bytes = b""


def read(data: bytes) -> Envelope | None:
    """The envelope, or None if it is none."""
    kind = data[0] if data else -1
    if kind == sessions.IN_SESSION and len(data) >= _COMMAND.size:
        _, session, sequence, low_water = _COMMAND.unpack_from(data)
        return Envelope(kind, session, sequence, low_water, command=data[_COMMAND.size :])
    if kind in (sessions.TOUCH, sessions.CLOSE) and len(data) == _NAMED.size:
        return Envelope(kind, _NAMED.unpack(data)[1])
    if kind == sessions.EXPIRE and len(data) == _EXPIRE.size:
        _, session, last_index = _EXPIRE.unpack(data)
        return Envelope(kind, session, last_index=last_index)
    if kind == sessions.PLAIN:
        return Envelope(kind, command=data[1:])
    return Envelope(kind) if kind == sessions.OPEN else None


def describe(data: bytes) -> str:
    """s7/3 w x 5: session, sequence and command; anything else that is printable as it stands."""
    envelope = read(data)
    if envelope is None:
        return data.decode(errors="backslashreplace") if len(data) <= 24 else f"{len(data)} bytes"
    command = envelope.command.decode(errors="backslashreplace")
    match envelope.kind:
        case sessions.IN_SESSION:
            return f"s{envelope.session}/{envelope.sequence} {command}"
        case sessions.OPEN:
            return "opens a session"
        case sessions.TOUCH:
            return f"touches s{envelope.session}"
        case sessions.CLOSE:
            return f"closes s{envelope.session}"
        case sessions.EXPIRE:
            return f"expires s{envelope.session} unless used since {envelope.last_index}"
        case _:
            return command
