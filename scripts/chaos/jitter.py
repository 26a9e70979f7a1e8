"""Jitter makes a cluster slow, and not wrong.

Clients read and write while the links between the nodes are calm, then delay each frame differently, so that frames overtake one
another, then more so, then are calm again. What it looks like:

    PHASE                         CALLS/S  MEDIAN   99 %      UNANSWERED  FRAMES DELAYED
    calm                          4,812    1.5 ms   4.1 ms    0           -
    jitter 20ms±15ms              201      38.1 ms  71.3 ms   0           5,310

Exit code: the checker's verdict about all that the clients were told. 0 linearizable, 1 not, 2 unknown.
"""

import argparse
import asyncio
import time

from laboratory import Laboratory, run, table

from quorate.cluster.chaos.vocabulary import parse
from quorate.cluster.verify.verdict import Verdict

PHASES = ("", "jitter 20ms±15ms", "jitter 30ms±30ms --dist pareto", "")


async def jitter(lab: Laboratory, options: argparse.Namespace) -> Verdict:
    rows = []
    async with lab.load():
        for text in PHASES:
            since_s, touched = time.perf_counter(), "-"
            if text:
                fault = await lab.acts.begin(parse(text), seed=options.seed)
                await asyncio.sleep(options.seconds)
                await lab.acts.end(fault)
                touched = f"{fault.touched['frames delayed']:,}"
            else:
                await asyncio.sleep(options.seconds)
            rows.append((text or "calm", *lab.figures(since_s, time.perf_counter()), touched))
    table(("PHASE", "CALLS/S", "MEDIAN", "99 %", "UNANSWERED", "FRAMES DELAYED"), rows)
    return lab.verdict()


if __name__ == "__main__":
    run(__doc__, jitter, seconds=5.0)
