"""Kill the leader again and again while clients write: how long nobody is answered, and whether anything is lost.

The gap is the longest time without any answer around a kill; each killed node starts again before the next round. What it looks like:

    ROUND  KILLED  LEADS NOW  GAP
    1      n2      n1         712 ms

Exit code: the checker's verdict about all that the clients were told. 0 linearizable, 1 not, 2 unknown.
"""

import argparse
import asyncio
import time

from laboratory import Laboratory, run, table

from quorate.cluster.chaos.vocabulary import parse
from quorate.cluster.verify.verdict import Verdict

CALM_S = 1.0
"""Before and after, so that the gap has two ends."""


async def leader_kill(lab: Laboratory, options: argparse.Namespace) -> Verdict:
    rows = []
    async with lab.load():
        for number in range(1, options.rounds + 1):
            await asyncio.sleep(CALM_S)
            since_s = time.perf_counter()
            fault = await lab.acts.begin(parse("kill leader"), seed=options.seed)
            [killed] = fault.nodes
            successor = await lab.leader(other_than=killed)
            await asyncio.sleep(CALM_S)
            rows.append((str(number), killed, successor, f"{lab.gap_ms(since_s):,.0f} ms"))
            await lab.acts.end(fault)
            await asyncio.to_thread(lab.cluster.wait_ready)
    table(("ROUND", "KILLED", "LEADS NOW", "GAP"), rows)
    return lab.verdict()


if __name__ == "__main__":
    run(__doc__, leader_kill, rounds=3)
