"""From what a run has seen to its record.

The rule: every time is told in ms since the run's start, and a number that was not measured is not told.
"""

from collections.abc import Collection, Sequence

from quorate.cluster.chaos.liveness import gaps
from quorate.cluster.chaos.meter import Meter
from quorate.cluster.chaos.observe import Observer
from quorate.cluster.chaos.record import Counts, Fact, FaultBand, Gap, Progress, Span
from quorate.cluster.verify.history import Outcome
from quorate.cluster.verify.verdict import Verdict

PROGRESS_MAX = 600
"""Points of a node's curve: more than a screen can show."""


def counts(meter: Meter, bands: Sequence[FaultBand], observer: Observer) -> Counts:
    kinds: dict[str, int] = {}
    for band in bands:
        kinds[band.kind] = kinds.get(band.kind, 0) + 1
    answered, failed, unknown = (meter.count(outcome) for outcome in (Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN))
    return Counts(len(meter), answered, failed, unknown, kinds, observer.frames)


def costs(meter: Meter, bands: Sequence[FaultBand], observer: Observer, end_ms: float) -> tuple[Gap, ...]:
    return gaps(bands, list(meter), {name: ribbon.spans for name, ribbon in observer.ribbons.items()}, end_ms)


def roles(observer: Observer) -> dict[str, tuple[Span, ...]]:
    return {name: tuple(ribbon.spans) for name, ribbon in observer.ribbons.items()}


def progress(observer: Observer) -> tuple[dict[str, tuple[Progress, ...]], tuple[str, ...]]:
    """The curves, thinned if they are long; and a sentence if they are."""
    found: dict[str, tuple[Progress, ...]] = {}
    longest = 1
    for name, ribbon in observer.ribbons.items():
        step = -(-len(ribbon.progress) // PROGRESS_MAX) or 1
        longest = max(longest, step)
        found[name] = tuple(ribbon.progress[::step])
    return found, (f"Of each node's progress every {longest}th point is kept.",) if longest > 1 else ()


def violation_ms(checks: Sequence[Verdict]) -> float | None:
    """When the first violation showed: the answer that no order has room for, else that of the last of its operations."""
    for check in checks:
        for finding in check.findings:
            shown = [finding.operations[at] for at in finding.stuck] or list(finding.operations[-1:])
            if shown:
                return round(min(each.returned_ns or each.called_ns for each in shown) / 1e6, 3)
    return None


def recoveries(costs: Sequence[Gap], single: Collection[str], election_timeout_ms: float) -> dict[str, Fact]:
    """How long the service was away, in election timeouts: the median, the 90th percentile and the longest."""
    values = sorted(gap.unavailable_ms / election_timeout_ms for gap in costs if gap.fault in single and gap.unavailable_ms is not None)
    if not values:
        return {}
    shown = (values[len(values) // 2], values[len(values) * 9 // 10], values[-1])
    name = f"away after each of {len(values)} single faults that left a majority, in election timeouts (median, 90%, longest)"
    return {name: ", ".join(f"{value:.2f}" for value in shown)}
