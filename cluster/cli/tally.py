"""What many seeds of the simulator came to, as text and as JSON.

The rule it keeps: it is the same whatever the order in which the seeds were run, and so whatever the number of workers.
"""

from dataclasses import dataclass, field, replace
from textwrap import wrap

from quorate.cluster.cli import output
from quorate.cluster.cli.output import Column, Json
from quorate.cluster.cli.seeds import Job, Outcome
from quorate.protocols.simulation.coverage import PHASES, ROLES
from quorate.protocols.simulation.swarm import FAULTS

FAILURES_SHOWN = 20
"""Of more failures only the count is shown, and --json has them all: a broken engine fails on nearly every seed."""

LINE_WIDTH = 120


@dataclass(slots=True)
class Tally:
    """All outcomes so far."""

    job: Job
    seeds: int = 0
    events: int = 0
    failures: list[Outcome] = field(default_factory=list)
    coverage: dict[tuple[str, str, str], int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.events += outcome.events
        if outcome.violation is not None:
            self.failures.append(outcome)
        for place, count in outcome.coverage.items():
            self.coverage[place] = self.coverage.get(place, 0) + count
        for name, count in outcome.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def failed(self) -> list[tuple[int, int, str, str, str]]:
        """(seed, events, invariant, detail, replaying command) by seed."""
        found = []
        for outcome in sorted(self.failures, key=lambda one: one.seed):
            assert outcome.violation is not None
            found.append((outcome.seed, outcome.events, *outcome.violation, self.job.command(replace(self.job.case, seed=outcome.seed))))
        return found


# --- for people ---


def marks() -> dict[str, str]:
    """A letter for each phase: the first of its own that is not taken."""
    taken: dict[str, str] = {}
    for phase in PHASES:
        taken[next(letter for letter in phase.upper() if letter.isalpha() and letter not in taken)] = phase
    return {phase: letter for letter, phase in taken.items()}


def coverage_lines(coverage: dict[tuple[str, str, str], int]) -> list[str]:
    """A row per fault and a column per role; in each cell the phases that were reached, a dot for each that was not."""
    letters = marks()
    rows = []
    for fault in FAULTS:
        total = sum(count for (name, _, _), count in coverage.items() if name == fault)
        cells = ("".join(letters[phase] if (fault, role, phase) in coverage else "." for phase in PHASES) for role in ROLES)
        rows.append([fault, f"{total:,}", *cells])
    columns = [Column("fault"), Column("hits", number=True), *(Column(role) for role in ROLES)]
    legend = ", ".join(f"{letter} {phase}" for phase, letter in letters.items())
    return [
        f"Faults by the role of whom they hit, and the phase of the cluster: {legend}.",
        *output.plain_table(columns, rows).splitlines(),
    ]


def never_lines(coverage: dict[tuple[str, str, str], int]) -> list[str]:
    """What was not reached. Not all of it can be: who asks for a transfer is a leader."""
    every = [(fault, role, phase) for fault in FAULTS for role in ROLES for phase in PHASES]
    missing = sum(place not in coverage for place in every)
    lines = [f"Never reached: {missing:,} of {len(every):,} combinations."]
    struck = {fault for fault, _, _ in coverage}
    if quiet := [fault for fault in FAULTS if fault not in struck]:
        lines += wrapped(f"Never struck: {', '.join(quiet)}.")
    return lines


def counted(counts: dict[str, int]) -> list[str]:
    return wrapped("Also seen: " + ", ".join(f"{name} {counts[name]:,}" for name in sorted(counts) if name not in FAULTS) + ".")


def wrapped(text: str) -> list[str]:
    return wrap(text, LINE_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def failure_lines(tally: Tally) -> list[str]:
    failed = tally.failed()
    lines = []
    for seed, events, invariant, detail, command in failed[:FAILURES_SHOWN]:
        lines += [f"seed {seed} broke after {events:,} events: {invariant}", f"  {detail}", f"  replay: {command}"]
    if len(failed) > FAILURES_SHOWN:
        lines.append(f"... and {output.count(len(failed) - FAILURES_SHOWN, 'seed')} more; --json lists all")
    return lines


def document(tally: Tally) -> dict[str, Json]:
    keys = ("seed", "events", "invariant", "detail", "replay")
    failures: list[Json] = [dict(zip(keys, failure)) for failure in tally.failed()]
    covered: list[Json] = [
        {"fault": fault, "role": role, "phase": phase, "count": tally.coverage.get((fault, role, phase), 0)}
        for fault in FAULTS
        for role in ROLES
        for phase in PHASES
    ]
    return {
        "engine": tally.job.engine,
        "seeds": tally.seeds,
        "events": tally.events,
        "failures": failures,
        "coverage": covered,
        "counts": {name: tally.counts[name] for name in sorted(tally.counts)},
    }
