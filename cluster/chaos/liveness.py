"""When a service had to answer, and whether it did: what each fault cost, and stretches in which it should have worked and did not.

The rule: liveness is asserted only while a majority of sound nodes can all reach one another, with a deadline that counts from the moment
at which that became so; any beginning or end of a fault is such a moment.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice, pairwise

from quorate.cluster.chaos.meter import Seen
from quorate.cluster.chaos.record import CLIENT, FaultBand, Gap, Span
from quorate.cluster.verify.history import Outcome

Stretch = tuple[float, float]
"""From, to: ms since the run's start."""


def has_sound_majority(nodes: Sequence[str], faulty: Iterable[str], impaired: Iterable[str]) -> bool:
    """Whether so many nodes as are a majority are not faulty and have no impaired link among them."""
    sound = [name for name in nodes if name not in set(faulty)]
    cut = {frozenset(link.split(">")) for link in impaired}
    return any(not any(frozenset(pair) in cut for pair in combinations(chosen, 2)) for chosen in combinations(sound, len(nodes) // 2 + 1))


def stretches(nodes: Sequence[str], bands: Sequence[FaultBand], within: Stretch) -> Iterator[tuple[Stretch, bool, bool]]:
    """The time `within`, cut at every beginning and end of a fault: (from, to), is any fault on, is a majority sound."""
    start, end = within
    ends = {band.id: end if band.end_ms is None else band.end_ms for band in bands}
    edges = sorted({start, end} | {edge for band in bands for edge in (band.start_ms, ends[band.id]) if start < edge < end})
    for low, high in pairwise(edges):
        active = [band for band in bands if band.start_ms <= low and ends[band.id] >= high]
        faulty = [name for band in active for name in band.nodes]
        impaired = [link for band in active for link in band.links if CLIENT not in link.split(">")]
        yield (low, high), bool(active), has_sound_majority(nodes, faulty, impaired)


def single(nodes: Sequence[str], bands: Sequence[FaultBand], costs: Sequence[Gap], within: Stretch) -> set[str]:
    """The ids of the faults that left a sound majority, and that no other touched before the service was back from them."""
    until = {gap.fault: gap.heal_to_first_success_ms or 0.0 for gap in costs}
    spans = {band.id: (band.start_ms, (within[1] if band.end_ms is None else band.end_ms) + until.get(band.id, 0.0)) for band in bands}
    unsound = [stretch for stretch, _, is_sound in stretches(nodes, bands, within) if not is_sound]
    others = {id: [*unsound, *(span for other, span in spans.items() if other != id)] for id in spans}
    return {id for id, (start, end) in spans.items() if not any(low < end and high > start for low, high in others[id])}


def stalls(acknowledged_ms: Sequence[float], sound: Iterable[Stretch], deadline_ms: float) -> list[Stretch]:
    """The stretches, each within a sound one, without an acknowledged write for longer than the deadline."""
    found: list[Stretch] = []
    for low, high in sound:
        times = acknowledged_ms[bisect_left(acknowledged_ms, low) : bisect_right(acknowledged_ms, high)]
        found += [(one, other) for one, other in pairwise([low, *times, high]) if other - one > deadline_ms]
    return found


def gaps(bands: Sequence[FaultBand], seen: Sequence[Seen], ribbons: Mapping[str, Sequence[Span]], end_ms: float) -> tuple[Gap, ...]:
    """What each fault cost. `seen` is in the order of returns."""
    answered = [each for each in seen if each.outcome is Outcome.OK]
    answers = [each.returned_ms for each in answered]
    errors = [each.returned_ms for each in seen if each.outcome is not Outcome.OK]
    leading = sorted((span.start_ms, span.term) for spans in ribbons.values() for span in spans if span.state == "leader")
    found = []
    for band in bands:
        start, end = band.start_ms, band.end_ms if band.end_ms is not None else end_ms
        first_error = _first(errors, start, end)
        success = next((each.returned_ms for each in islice(answered, bisect_left(answers, end), None) if each.called_ms >= end), None)
        back = end if success is None else success
        times = answers[bisect_left(answers, start) : bisect_right(answers, back)]
        silent = max((other - one for one, other in pairwise([start, *times, back])), default=0.0)
        elected = _elected(leading, start, back)
        found.append(Gap(band.id, _since(start, first_error), _since(end, success), _since(start, elected), round(silent, 1)))
    return tuple(found)


def _first(times: Sequence[float], start: float, end: float) -> float | None:
    at = bisect_left(times, start)
    return times[at] if at < len(times) and times[at] <= end else None


def _since(start: float, time: float | None) -> float | None:
    return None if time is None else round(time - start, 1)


def _elected(leading: Sequence[tuple[float, int]], start: float, end: float) -> float | None:
    """When a leader of a higher term than any before the fault was seen."""
    before = max((term for at, term in leading if at <= start), default=0)
    return next((at for at, term in leading if start < at <= end and term > before), None)
