"""Runs the simulator's steps on all cores.

The rule it keeps: the order in which steps end changes nothing in the results, and a worker does not outlive this process.
"""

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from quorate.cluster.compare.figures import Cell
from quorate.cluster.compare.rows import PAXOS, SECTIONS, Results
from quorate.cluster.compare.steps import Found, Step, run

Show = Callable[[float, str], None]
"""(how much is done, a few words)"""


def _begin() -> None:
    """A worker's worlds live as long as a step: collecting them while they grow would only cost."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


def simulate(steps: Sequence[Step], results: Results, show: Show, workers: int | None = None) -> None:
    """Run all steps and put what they found into the results."""
    found: dict[int, tuple[Found, list[str]]] = {}
    done = 0.0
    count = min(workers or os.cpu_count() or 1, len(steps))
    if count == 1:
        for place, step in enumerate(steps):
            show(done, step.words)
            found[place] = run(step)
            done += step.weight
    else:
        with ProcessPoolExecutor(count, get_context("spawn"), _begin) as pool:
            waiting = {pool.submit(run, step): place for place, step in enumerate(steps)}
            try:
                for future in as_completed(waiting):
                    place = waiting[future]
                    found[place] = future.result()
                    done += steps[place].weight
                    show(done, steps[place].words)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    _put(steps, found, results)


def _put(steps: Sequence[Step], found: dict[int, tuple[Found, list[str]]], results: Results) -> None:
    """In the table's order, whichever ended first."""
    cells: dict[tuple[str, str], Cell] = {}
    for place, step in enumerate(steps):
        cells |= {(key, step.engine): cell for key, cell in found[place][0].items()}
        results.missing += [(step.words, why) for why in found[place][1]]
    for section in SECTIONS:
        for row in section.rows:
            for engine in (*results.engines, PAXOS):
                if (row.key, engine) in cells:
                    results.put(row.key, engine, cells[row.key, engine])
    results.missing.sort()
