"""What happened in a simulated cluster: a hash of all of it, and the lines of it for a person.

The rule it keeps: both are functions of the seed. Equal hashes say that two runs were the same, frame for frame.
"""

from collections.abc import MutableMapping
from hashlib import blake2b
from typing import Any

import structlog

from quorate.cluster.simulation.ends import DATA, Segment
from quorate.protocols.core import NodeId
from quorate.protocols.simulation.schedule import MILLISECOND, Schedule


class Trace:
    """Hashes always, keeps lines while `on`."""

    def __init__(self, schedule: Schedule, *, on: bool = False) -> None:
        self.on = on
        self.lines: list[str] = []
        self.events: dict[str, int] = {}
        """How often the runtime logged what."""
        self._schedule = schedule
        self._hash = blake2b(digest_size=8)

    @property
    def hash(self) -> str:
        return self._hash.hexdigest()

    def say(self, who: str, what: str) -> None:
        line = f"{self._schedule.now / MILLISECOND:>10.3f} {who} {what}"
        self._hash.update(line.encode())
        if self.on:
            self.lines.append(line)

    def arrives(self, source: NodeId, destination: NodeId, segment: Segment) -> None:
        """A frame reaches a machine."""
        kind, number = segment.kind, segment.number
        self._hash.update(f"{self._schedule.now} {source} {destination} {kind} {segment.id} {number} ".encode())
        self._hash.update(segment.data)
        if self.on and kind == DATA:
            end = " and the end" if segment.is_last else ""
            self.lines.append(
                f"{self._schedule.now / MILLISECOND:>10.3f} {destination} < {source} {segment.id}/{number}: {len(segment.data)} bytes{end}"
            )

    def log(self, logger: object, level: str, event: MutableMapping[str, Any]) -> str:
        """A processor for structlog: the runtime's own log lines, in virtual time."""
        node, what = event.pop("node", "?"), event.pop("event", "")
        event.pop("exc_info", None)
        self.events[what] = self.events.get(what, 0) + 1
        self.say(node, " ".join([f"{level}: {what}", *(f"{name}={value}" for name, value in event.items())]))
        raise structlog.DropEvent
