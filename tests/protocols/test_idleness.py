"""A core that is left alone until something is due does what one does that is ticked all along (terms/idleness.py)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from quorate.protocols.core import Effects
from quorate.protocols.raft.engine import Raft
from quorate.protocols.simulation.case import Case, Subject
from quorate.protocols.simulation.engines import load

STEPS = 3_000


class Overslept(AssertionError):
    """A tick did something before the one that was said to be the first."""


class Watched(Raft):
    """Ticked all along, and compared with what it said it would do if it were not."""

    left = 0
    """Ticks that should do nothing."""
    late = 0
    """What it adds to its word, in the control."""
    idle_count = 0
    """Turns of all cores that were rightly said to be without effect."""
    _is_due = True
    _after = ""

    def tick(self, elapsed: int = 1, turns: int = 1) -> None:
        super().tick(elapsed, turns)
        self.left -= elapsed
        self._is_due = self._is_due or self.left <= 0

    def take(self) -> Effects | None:
        was_due, self._is_due = self._is_due, False
        before, effects = self._after, super().take()
        self._after = repr(self.state)
        if not was_due:
            if effects is not None or before != self._after:
                raise Overslept(f"{before}: {effects}")
            Watched.idle_count += 1
        self.left = self.due_ticks + self.late
        return effects


def _told(name: str) -> Callable[..., object]:
    plain = getattr(Raft, name)

    def event(self: Watched, *arguments: Any, **options: Any) -> object:
        self._is_due = True
        return plain(self, *arguments, **options)

    return event


for _name in ("receive", "unreachable", "synced", "propose", "read", "reconfigure", "transfer", "compact", "received", "transferred"):
    setattr(Watched, _name, _told(_name))


class Overlong(Watched):
    """Believes that it may be left alone for one tick more than it may."""

    late = 1


def violations(kind: type[Watched], seeds: range) -> list[str]:
    subject = Subject(replace(load("raft"), factory=kind))
    results = [subject.run(Case(seed, STEPS)) for seed in seeds]
    return [str(result.violation) for result in results if result.violation is not None]


def test_no_tick_does_anything_before_the_one_that_was_said_to_be_due() -> None:
    before = Watched.idle_count

    assert [] == violations(Watched, range(12))
    assert Watched.idle_count > before + 1_000


def test_whoever_sleeps_a_tick_too_long_is_seen() -> None:
    found = violations(Overlong, range(2))

    assert 2 == len(found)
    assert all("Overslept" in violation for violation in found), found
