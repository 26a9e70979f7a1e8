"""What a command may look like. A caller's mistake becomes a Refusal, and that a result; never an exception of `apply`.

A Refusal is raised before anything has changed. All checks depend on the command and the state alone, so that every replica
refuses the same commands with the same bytes.
"""

from msgpack import unpackb
from msgpack.exceptions import UnpackException

from quorate.cluster.service.limits import KEY_BYTES_MAX, VALUE_BYTES_MAX
from quorate.cluster.service.results import BAD_REQUEST, TOO_LARGE, refusal

INTEGER_MAX = (1 << 63) - 1
"""Revisions, limits and ids are signed 64-bit integers, as other languages have them."""

MALFORMED = (ValueError, TypeError, UnpackException)
"""What the decoder raises for bytes that are no msgpack value."""


class Refusal(Exception):
    """The command is answered with an error and changes nothing."""

    def __init__(self, status: int, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.result = refusal(status, message, number)


def bad(message: str) -> Refusal:
    return Refusal(BAD_REQUEST, message)


def decoded(data: bytes) -> list[object]:
    """The array of a command or query, not empty."""
    try:
        command = unpackb(data)
    except MALFORMED:
        raise bad("not a msgpack value") from None
    if type(command) is not list or not command:
        raise bad("a command is an array that begins with its operation number")
    return command


def checked_key(key: object) -> bytes:
    if type(key) is not bytes or not key:
        raise bad("a key is bytes, at least one")
    if len(key) > KEY_BYTES_MAX:
        raise Refusal(TOO_LARGE, f"a key of {len(key)} bytes; at most {KEY_BYTES_MAX}", KEY_BYTES_MAX)
    return key


def checked_value(value: object) -> bytes:
    if type(value) is not bytes:
        raise bad("a value is bytes")
    if len(value) > VALUE_BYTES_MAX:
        raise Refusal(TOO_LARGE, f"a value of {len(value)} bytes; at most {VALUE_BYTES_MAX}", VALUE_BYTES_MAX)
    return value


def checked_bound(bound: object) -> bytes:
    """The start or end of a range: any bytes, also none; one longer than a key, for the end of the longest one's range."""
    if type(bound) is not bytes or len(bound) > KEY_BYTES_MAX + 1:
        raise bad(f"the bounds of a range are bytes, at most {KEY_BYTES_MAX + 1}")
    return bound


def checked_number(number: object, name: str) -> int:
    if type(number) is not int or not 0 <= number <= INTEGER_MAX:
        raise bad(f"{name} is an integer from 0 to 2**63 - 1")
    return number
