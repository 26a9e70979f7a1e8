"""The verdict of a run from its evidence. Pure: what was seen goes in, the verdict and its reasons come out.

The rules: a violation that was found stands, whatever else happened. UNKNOWN is no pass. A run that does not show what it is for is
inconclusive: a fault that touched nothing, a phase with too few operations, a proxy that died, an interruption.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from quorate.cluster.chaos.record import FaultBand, Replica, RunVerdict
from quorate.cluster.verify.verdict import Answer, Verdict

ACKNOWLEDGED_MIN = 1_000
"""Operations before, during and after the faults: fewer could meet any service in a good moment."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the verdict rests on."""

    checks: tuple[Verdict, ...] = ()
    bands: tuple[FaultBand, ...] = ()
    drawn: frozenset[str] = frozenset()
    """The ids of those that the seed drew: one of them may come to nothing, as a torn frame does where none is sent, but not all."""
    acknowledged_before: int = 0
    acknowledged_during: int = 0
    """While a fault was on and a majority sound."""
    majority_ms: float = 0.0
    """How long that was; 0: the faults never left a majority, so nothing is asked of that time."""
    acknowledged_after: int = 0
    hot_key: bool = True
    stalls: tuple[tuple[float, float], ...] = ()
    """No write was acknowledged for so long although a majority was sound: from, to in ms."""
    deadline_ms: float = 0.0
    converged: Mapping[str, Replica] = field(default_factory=dict)
    unconverged: str = ""
    """Why the nodes did not come to stand at one index in time."""
    unhealed: str = ""
    """What of the faults could not be taken back."""
    troubles: tuple[str, ...] = ()
    """Whole sentences: the proxy died, the run was interrupted, a fault could not begin."""


def judge(evidence: Evidence) -> tuple[RunVerdict, tuple[str, ...]]:
    """The verdict, and why: whole sentences, the weightiest first."""
    violated, unknown, inconclusive = (tuple(rule(evidence)) for rule in (_violations, _unknowns, _inconclusive))
    reasons = violated + unknown + inconclusive
    if violated:
        return RunVerdict.VIOLATED, reasons
    if unknown:
        return RunVerdict.UNKNOWN, reasons
    if inconclusive:
        return RunVerdict.INCONCLUSIVE, reasons
    return RunVerdict.PASSED, ("Every history has an explanation, and all nodes hold the same state.",)


def _violations(evidence: Evidence) -> Iterator[str]:
    for check in evidence.checks:
        if check.answer is Answer.INVALID:
            yield f"{check.model}: {check.reason}"
    by_index: dict[int, dict[str, list[str]]] = {}
    for name, replica in evidence.converged.items():
        by_index.setdefault(replica.index, {}).setdefault(replica.digest, []).append(name)
    for index, digests in by_index.items():
        if len(digests) > 1:
            sides = " and ".join(", ".join(names) for names in digests.values())
            yield f"The states differ at one index, {index}: those of {sides}."
    if evidence.unconverged:
        yield f"The cluster did not converge: {evidence.unconverged}."
    for start, end in evidence.stalls:
        yield (
            f"No write was acknowledged for {(end - start) / 1_000:.1f} s, from {start / 1_000:.1f} s on, although a majority was sound "
            f"and connected; {evidence.deadline_ms / 1_000:.1f} s are allowed."
        )


def _unknowns(evidence: Evidence) -> Iterator[str]:
    for check in evidence.checks:
        if check.answer is Answer.UNKNOWN:
            yield f"{check.model}: {check.reason}"
    if not evidence.checks:
        yield "No history was checked."
    if not evidence.converged and not evidence.unconverged:
        yield "The final states were not compared."


def _inconclusive(evidence: Evidence) -> Iterator[str]:
    yield from evidence.troubles
    if evidence.unhealed:
        yield f"Not everything healed: {evidence.unhealed}."
    untouched = [band for band in evidence.bands if not any(band.touched.values())]
    if not evidence.bands:
        yield "No fault was injected."
    elif len(untouched) == len(evidence.bands):
        yield "No fault touched a frame or a process."
    else:
        yield from (f"A fault touched no frame and no process: {band.text}." for band in untouched if band.id not in evidence.drawn)
    counts = [("before", evidence.acknowledged_before), ("after", evidence.acknowledged_after)]
    if evidence.majority_ms:
        counts.insert(1, ("during", evidence.acknowledged_during))
    for when, count in counts:
        if count < ACKNOWLEDGED_MIN:
            yield f"Only {count:,} operations were acknowledged {when} the faults; fewer than {ACKNOWLEDGED_MIN:,} show nothing."
    if not evidence.hot_key:
        yield "No key was hot: clients that never meet cannot contradict one another."
