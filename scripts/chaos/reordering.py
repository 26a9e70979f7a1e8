"""Frames between the nodes overtake one another, arrive twice, or never: the clients notice the time it takes, and nothing else.

A link behind the fault proxy carries messages, not a stream, so a frame that is held back is overtaken by later ones. What it looks like:

    PHASE                          CALLS/S  MEDIAN  99 %     UNANSWERED  WHAT BECAME OF FRAMES
    reorder 20% 30ms               1,102    3.2 ms  36.0 ms  0           1,911 overtaken
    reorder 20% 30ms + drop 5% ... 309      9.9 ms  110 ms   0           1,204 overtaken, 310 dropped, 602 duplicated

Exit code: the checker's verdict about all that the clients were told. 0 linearizable, 1 not, 2 unknown.
"""

import argparse
import asyncio
import time

from laboratory import Laboratory, run, table

from quorate.cluster.chaos.vocabulary import parse
from quorate.cluster.verify.verdict import Verdict

PHASES = ("reorder 20% 30ms", "duplicate 20%", "reorder 20% 30ms + duplicate 10% + drop 5%")


async def reordering(lab: Laboratory, options: argparse.Namespace) -> Verdict:
    rows = []
    async with lab.load():
        for text in PHASES:
            since_s = time.perf_counter()
            fault = await lab.acts.begin(parse(text), seed=options.seed)
            await asyncio.sleep(options.seconds)
            until_s = time.perf_counter()
            await lab.acts.end(fault)
            became = ", ".join(f"{count:,} {name.removeprefix('frames ')}" for name, count in fault.touched.items() if count)
            rows.append((text, *lab.figures(since_s, until_s), became or "nothing"))
    table(("PHASE", "CALLS/S", "MEDIAN", "99 %", "UNANSWERED", "WHAT BECAME OF FRAMES"), rows)
    return lab.verdict()


if __name__ == "__main__":
    run(__doc__, reordering, seconds=5.0)
