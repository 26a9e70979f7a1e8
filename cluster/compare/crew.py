"""Runs the simulator's steps, on all cores.

The rule it keeps: the order in which steps end changes nothing in the results.
"""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from quorate.cluster.compare.figures import Cell
from quorate.cluster.compare.rows import PAXOS, SECTIONS, Results
from quorate.cluster.compare.steps import Found, Step, run
from quorate.cluster.crew import Crew

GARBAGE = (100_000, 50, 1_000)
"""A worker's worlds live as long as a step: looking for garbage while they grow would only cost."""

Show = Callable[[float, str], None]
"""(how much is done, a few words)"""


class Simulating:
    """The work of one worker."""

    def begin(self) -> Callable[[Step], tuple[Found, list[str]]]:
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        return run

    def called(self, step: Step) -> str:
        return step.words


def simulate(steps: Sequence[Step], results: Results, show: Show, workers: int | None = None) -> None:
    """Run all steps and put what they found into the results."""
    found: dict[Step, tuple[Found, list[str]]] = {}
    done = 0.0
    with _runs(steps, min(workers or len(os.sched_getaffinity(0)), len(steps))) as answers:
        for step, answer in answers:
            found[step] = answer
            done += step.weight
            show(done, step.words)
    cells: dict[tuple[str, str], Cell] = {}
    gone: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        cells |= {(key, step.engine): cell for key, cell in found[step][0].items()}
        for why in found[step][1]:
            gone.setdefault((step.engine, why), []).append(step.what)
    # What has one reason is told once.
    results.missing += sorted((f"{engine}: {', '.join(sorted(what))}", why) for (engine, why), what in gone.items())
    for section in SECTIONS:
        for row in section.rows:
            for engine in (*results.engines, PAXOS):
                if (row.key, engine) in cells:
                    results.put(row.key, engine, cells[row.key, engine])


@contextmanager
def _runs(steps: Sequence[Step], workers: int) -> Iterator[Iterator[tuple[Step, tuple[Found, list[str]]]]]:
    """What came of each step, as it comes. One worker is this process."""
    if workers == 1:
        yield ((step, run(step)) for step in steps)
    else:
        with Crew(Simulating(), workers) as crew:
            yield crew.run(steps)
