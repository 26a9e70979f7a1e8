"""What `quorate sim` does: many seeds on many workers, or one seed, told or made small. The options are in simulation.py."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from quorate.cluster.cli import output, tally
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.output import Json
from quorate.cluster.cli.progress import Show, progress
from quorate.cluster.cli.seeds import Job, Outcome, run_here, until
from quorate.cluster.cli.tally import Tally
from quorate.cluster.crew import Crew, WorkerDied
from quorate.protocols.simulation.campaign import Result
from quorate.protocols.simulation.case import Case
from quorate.protocols.simulation.schedule import MILLISECOND
from quorate.protocols.simulation.shrink import RUNS_MAX, Shrunk, shrink
from quorate.protocols.simulation.trace import describe_settings

TRACE_LINES_SHOWN = 400
"""The end of a trace is where the violation is."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How to tell a single seed."""

    trace: bool
    whole: bool
    file: Path | None
    small: bool
    """Shrink it first."""
    json: bool


# --- many seeds ---


def fresh_seed() -> int:
    """One that nobody has run: milliseconds since 1970, so that a run of hours does not reach the next."""
    return time.time_ns() // 1_000_000


def cores() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def outcomes(job: Job, seeds: Iterable[int], workers: int) -> Iterator[Iterator[Outcome]]:
    """Of these seeds, as they come. One worker is this process."""
    if workers == 1:
        yield run_here(job, seeds)
    else:
        with Crew(job, workers) as crew:
            yield (outcome for _, outcome in crew.run(seeds))


def many(job: Job, first: int, seeds: int | None, workers: int | None, seconds: float | None, *, small: bool, json: bool) -> None:
    """Run seeds from `first` on, and say what they came to."""
    wanted: Iterable[int] = count(first) if seeds is None else range(first, first + seeds)
    workers = min(workers or cores(), seeds or workers or cores())
    sums, began, problem, interrupted = Tally(job), time.monotonic(), None, False
    with progress(seconds or seeds or 1, silent=json) as show:
        try:
            with outcomes(job, wanted if seconds is None else until(seconds, wanted), workers) as found:
                for outcome in found:
                    sums.add(outcome)
                    show_rate(show, sums, time.monotonic() - began, by_time=seconds is not None)
        except KeyboardInterrupt:
            interrupted = True
        except WorkerDied as died:
            problem = died
    took = time.monotonic() - began
    report(sums, first, took, workers, interrupted=interrupted, json=json)
    if problem is not None:
        raise problem
    if small and sums.failures and not interrupted:
        tell(job, min(failure.seed for failure in sums.failures), Telling(False, False, None, True, json))
    if sums.failures:
        raise Answer(Exit.NO)
    if interrupted:
        raise Answer(Exit.INTERRUPTED)


def show_rate(show: Show, sums: Tally, took: float, *, by_time: bool) -> None:
    rate = sums.events / took if took else 0.0
    show(took if by_time else sums.seeds, f"{output.count(sums.seeds, 'seed')}, {len(sums.failures)} broke; {rate:,.0f} events a second")


def report(sums: Tally, first: int, took: float, workers: int, *, interrupted: bool, json: bool) -> None:
    rate = sums.events / took if took else 0.0
    if json:
        figures: dict[str, Json] = {"workers": workers, "seconds": round(took, 3), "events_per_s": round(rate)}
        output.document({**tally.document(sums), "first_seed": first, "interrupted": interrupted, **figures})
        return
    for text in (*tally.failure_lines(sums), *tally.coverage_lines(sums.coverage), *tally.never_lines(sums.coverage)):
        output.line(text)
    for text in tally.counted(sums.counts):
        output.line(text)
    which = f"{output.count(sums.seeds, 'seed')} from {first}" + (", then interrupted" if interrupted else "")
    fate = f"{len(sums.failures):,} broke" if sums.failures else "all held"
    output.line(f"{sums.job.what()}: {which}: {fate}; {sums.events:,} events in {took:.1f} s, {rate:,.0f} a second")


# --- one seed ---


def tell(job: Job, seed: int, telling: Telling) -> Result:
    """Run one seed, perhaps make it small, and say what happened."""
    subject = job.subject()
    traced = telling.trace or telling.file is not None
    case = replace(job.case, seed=seed)
    result = subject.run(case, trace=traced)
    document: dict[str, Json] = {}
    if telling.small and result.violation is not None:
        with progress(RUNS_MAX, silent=telling.json) as show:
            small = shrink(case, subject.run, progress=lambda runs, best: show(runs, f"{runs} runs; smallest: {best.options()}"))
        document["shrunk_from"] = facts(job, case, result)
        document["runs"], document["minimal"] = small.runs, small.minimal
        if not telling.json:
            output.line(told_small(result, small))
        case, result = small.case, subject.run(small.case, trace=True) if traced else small.result
    if telling.file is not None:
        write(telling.file, result)
    if telling.json:
        lines: dict[str, Json] = {"trace": list(result.lines)} if telling.trace else {}
        output.document({**facts(job, case, result), **document, **lines})
    else:
        if telling.trace:
            tell_trace(result, whole=telling.whole)
        tell_end(job, case, result)
        if telling.small and result.violation is None:
            output.line(f"seed {seed} holds: there was nothing to shrink")
    return result


def one(job: Job, telling: Telling) -> None:
    """Tell the job's own seed; the answer is whether it held."""
    if tell(job, job.case.seed, telling).violation is not None:
        raise Answer(Exit.NO)


def facts(job: Job, case: Case, result: Result) -> dict[str, Json]:
    violation = result.violation
    strikes: list[Json] = [
        {"number": strike.number, "at_ms": strike.at_ns / MILLISECOND, "fault": strike.fault, "hit": strike.hit}
        for strike in result.strikes
    ]
    return {
        "engine": job.engine,
        "seed": case.seed,
        "steps": case.steps,
        "nodes": result.settings.nodes,
        "clients": result.settings.clients,
        "events": result.events,
        "fingerprint": f"{result.fingerprint:016x}",
        "violation": None if violation is None else {"invariant": violation.invariant, "detail": violation.detail, "phase": result.phase},
        "strikes": strikes,
        "replay": job.command(case),
    }


def size(result: Result) -> str:
    parts = (
        (result.events, "event"),
        (len(result.strikes), "strike"),
        (result.settings.nodes, "node"),
        (result.settings.clients, "client"),
    )
    return ", ".join(output.count(number, noun) for number, noun in parts)


def told_small(before: Result, small: Shrunk) -> str:
    fate = "nothing can be left out" if small.minimal else "perhaps more can be left out"
    lines = [f"seed {before.seed}: {size(before)}", f"shrunk in {output.count(small.runs, 'run')}: {size(small.result)}; {fate}"]
    lines += [f"{strike.at_ns / MILLISECOND:>12.3f} ms  {strike.number} {strike.fault} {strike.hit}" for strike in small.result.strikes]
    return "\n".join(lines)


def write(file: Path, result: Result) -> None:
    try:
        file.write_text("".join(f"{line}\n" for line in result.lines), "utf-8")
    except OSError as error:
        raise UsageError(f"the trace cannot be written to {file}: {error.strerror}") from None


def tell_trace(result: Result, *, whole: bool) -> None:
    output.line(describe_settings(result.settings))
    shown = result.lines if whole else result.lines[-TRACE_LINES_SHOWN:]
    if len(shown) < len(result.lines):
        output.line(f"... {len(result.lines) - len(shown):,} earlier lines; --whole-trace shows them")
    for text in shown:
        output.line(text)


def tell_end(job: Job, case: Case, result: Result) -> None:
    if result.violation is None:
        output.line(f"{job.what()}: seed {result.seed} held: {size(result)}; fingerprint {result.fingerprint:016x}")
        return
    output.line(f"{job.what()}: seed {result.seed} broke after {result.events:,} events: {result.violation.invariant}")
    output.line(f"  {result.violation.detail}")
    output.line(f"  replay: {job.command(case)}")
