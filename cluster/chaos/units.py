"""The units that people write in faults: durations, shares, bandwidths, drifts. Read here and nowhere else.

The rule: every reader names what it accepts, and every value can be written so that it is read back the same.
"""

import re
from collections.abc import Callable, Mapping

from quorate.cluster.wire.errors import BadRequest

MS = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0, "min": 60_000.0, "h": 3_600_000.0}
"""Milliseconds in each unit of time."""
BYTES = {"B": 1, "kB": 1_000, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
BITS = {"bit": 1, "kbit": 1_000, "Mbit": 1_000_000, "Gbit": 1_000_000_000}
BITS_PER_BYTE = 8
DELAY_MS_MAX = 600_000.0
"""As the proxy has it: a frame that is later than this is lost."""
DAY_MS = 86_400_000.0
OFFSET_MS_MAX = DAY_MS
DRIFT_PPM_MAX = 500_000
"""Half as fast again. More says nothing that this does not say."""
RATE_MAX = 1 << 40
COUNT_MAX = 10_000

DURATION = "a duration: 250us, 50ms, 3s, 1.5m or 1h"
SHARE = "a share: 10% or 0.1, from 0 to 100%"
SPREAD = "a delay and its jitter: 50ms±30ms or 50ms+-30ms; a delay alone is `delay 50ms`"
RATE = "a bandwidth: 800B/s, 500kB/s, 1MB/s, 1MiB/s or 8Mbit/s"
OFFSET = f"how far the clock is moved: +5s, -300ms, at most {OFFSET_MS_MAX / MS['h']:g}h"
DRIFT = f"a drift: 200ppm or -200ppm, at most {DRIFT_PPM_MAX}ppm"

_NUMBER = re.compile(r"\s*([+-]?)(\d+(?:\.\d*)?|\.\d+)\s*(\S*)\s*")


class NotAFault(BadRequest):
    """The words are no fault, or a fault that this cluster cannot have."""


def wrong(field: str, accepted: str, text: str) -> NotAFault:
    return NotAFault(f"{field}: {accepted}; not {text!r}")


def _number(text: str, units: Mapping[str, float], *, signed: bool = False) -> float | None:
    """In the smallest unit; None if it is no number with one of the units."""
    found = _NUMBER.fullmatch(text.replace("\N{MINUS SIGN}", "-"))
    if found is None or found[3] not in units or (found[1] and not signed):
        return None
    value = float(found[2]) * units[found[3]]
    return -value if found[1] == "-" else value


def duration_ms(field: str, text: str) -> float:
    value = _number(text, MS)
    if value is None or value > DELAY_MS_MAX:
        raise wrong(field, f"{DURATION}, at most {DELAY_MS_MAX / MS['min']:g}m", text)
    return value


def long_duration_ms(field: str, text: str) -> float:
    """Of a whole run: up to a day."""
    value = _number(text, MS)
    if value is None or not MS["s"] <= value <= DAY_MS:
        raise wrong(field, f"{DURATION}, from 1s to 24h", text)
    return value


def some_duration_ms(field: str, text: str) -> float:
    """Of at least a microsecond."""
    value = duration_ms(field, text)
    if value < MS["us"]:
        raise wrong(field, f"{DURATION}, more than 0", text)
    return value


def ttl_s(field: str, text: str) -> float:
    """How long a fault may last, in seconds."""
    value = _number(text, MS)
    if value is None or not MS["ms"] <= value <= MS["h"]:
        raise wrong(field, f"{DURATION}, at least 1ms and at most 1h", text)
    return value / MS["s"]


def share(field: str, text: str) -> float:
    value = _number(text, {"%": 0.01, "": 1.0})
    if value is None or value > 1:
        raise wrong(field, SHARE, text)
    return value


def some_share(field: str, text: str) -> float:
    value = share(field, text)
    # The dice have a million sides.
    if value < 1e-6:
        raise wrong(field, f"{SHARE}, at least 0.0001%", text)
    return value


def spread_ms(field: str, text: str) -> tuple[float, float]:
    """The delay and its jitter."""
    mean, sign, swing = text.replace("+-", "±").replace("+/-", "±").partition("±")
    if not sign:
        raise wrong(field, SPREAD, text)
    return duration_ms(field, mean), some_duration_ms(field, swing)


def bytes_per_s(field: str, text: str) -> int:
    size, slash, second = text.replace(" ", "").partition("/")
    value = _number(size, {**BYTES, **{unit: bits / BITS_PER_BYTE for unit, bits in BITS.items()}})
    if value is None or second != "s" or not slash or not 1 <= value <= RATE_MAX:
        raise wrong(field, RATE, text)
    return round(value)


def offset_ms(field: str, text: str) -> int:
    value = _number(text, MS, signed=True)
    if value is None or abs(value) > OFFSET_MS_MAX or not round(value):
        raise wrong(field, f"{OFFSET}, and at least 1ms", text)
    return round(value)


def drift_ppm(field: str, text: str) -> int:
    value = _number(text, {"ppm": 1.0}, signed=True)
    if value is None or abs(value) > DRIFT_PPM_MAX or not round(value):
        raise wrong(field, f"{DRIFT}, and not 0", text)
    return round(value)


def count(field: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= COUNT_MAX:
        raise wrong(field, f"a number from 1 to {COUNT_MAX}", text)
    return int(text)


def one_of(*words: str) -> Callable[[str, str], str]:
    """A reader that takes these words alone."""

    def read(field: str, text: str) -> str:
        if text not in words:
            raise wrong(field, f"one of {', '.join(words)}", text)
        return text

    return read


def say_ms(ms: float) -> str:
    """ "50ms", "1.5s" """
    return f"{plain(ms / 1_000)}s" if ms and ms % 100 == 0 and abs(ms) >= 1_000 else f"{plain(ms)}ms"


def say_share(value: float) -> str:
    return f"{plain(value * 100)}%"


def say_rate(value: int) -> str:
    for unit in ("GB", "MB", "kB"):
        if value % BYTES[unit] == 0:
            return f"{value // BYTES[unit]}{unit}/s"
    return f"{value}B/s"


def plain(value: float) -> str:
    """Without an exponent and without zeros at the end; exact to a millionth."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
