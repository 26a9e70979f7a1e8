"""Hours of faults: one after the other, chosen by the seed, each under load, healed, and judged before the next begins.

It ends when the time is over, or with the first round that is not right. What it looks like:

    ROUND  FAULT              CALLS  LONGEST GAP  LARGEST NODE  VERDICT  SO FAR
    1      isolate leader     7,500     1,367 ms        72 MiB  valid    7,500 calls, 0 h 00 min
    2      pause leader (n1)  6,731     1,625 ms        76 MiB  valid    14,231 calls, 0 h 00 min

A cluster that grows larger and larger shows in the fifth column. `--minutes 600` is a night.
Exit code: 0 every round was linearizable; 1 one was not; 2 one could not be decided, or could not be healed.
"""

import argparse
import asyncio
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from laboratory import Laboratory, run

from quorate import connect
from quorate.cluster.chaos.vocabulary import parse
from quorate.cluster.verify.verdict import Answer, Verdict

FAULTS = (
    "isolate leader",
    "isolate one-follower",
    "one-way leader / follower",
    "flapping 200ms --link leader>*",
    "jitter 20ms±15ms",
    "drop 10%",
    "duplicate 20%",
    "reorder 20% 30ms",
    "corrupt 1%",
    "kill leader",
    "kill all",
    "pause leader",
)
CALM_S, BROKEN_S_MAX = 1.0, 6.0
LINE = "{:<6} {:<44} {:>8} {:>12} {:>13}  {:<8} {}"


async def soak(lab: Laboratory, options: argparse.Namespace) -> Verdict:
    began_s, calls, dice = time.monotonic(), 0, Random(options.seed)
    print(LINE.format("ROUND", "FAULT", "CALLS", "LONGEST GAP", "LARGEST NODE", "VERDICT", "SO FAR"), flush=True)
    number = 0
    while not number or time.monotonic() - began_s < 60 * options.minutes:
        number += 1
        lab.record_anew()
        since_s = time.perf_counter()
        said = await broken_for_a_while(lab, dice)
        # Not in this loop's thread: a hard history takes its time, and connections want to be kept alive.
        verdict = await asyncio.to_thread(lab.verdict)
        calls += len(lab.calls)
        minutes = int((time.monotonic() - began_s) / 60)
        so_far = f"{calls:,} calls, {minutes // 60} h {minutes % 60:02} min"
        gap, size = f"{lab.gap_ms(since_s):,.0f} ms", f"{largest_mib(lab)} MiB"
        print(LINE.format(number, said, f"{len(lab.calls):,}", gap, size, verdict.answer.value, so_far), flush=True)
        if verdict.answer is not Answer.VALID:
            return verdict
        healed = await lab.acts.heal()
        if not healed.healed:
            return replace(verdict, answer=Answer.UNKNOWN, reason=f"It could not be healed: {'; '.join(healed.problems)}.")
        await forget(lab)
    return replace(verdict, reason=f"{number} rounds with {calls:,} calls, each of them linearizable.")


async def broken_for_a_while(lab: Laboratory, dice: Random) -> str:
    """One round under load; what the fault was."""
    async with lab.load():
        await asyncio.sleep(CALM_S)
        fault = await lab.acts.begin(parse(dice.choice(FAULTS)), seed=dice.getrandbits(32))
        await asyncio.sleep(dice.uniform(CALM_S, BROKEN_S_MAX))
        await lab.acts.end(fault)
        await asyncio.to_thread(lab.cluster.wait_ready)
        await asyncio.sleep(CALM_S)
    everybody = len(fault.nodes) == len(lab.cluster.names)
    return str(fault.fault) if everybody else fault.text


async def forget(lab: Laboratory) -> None:
    """Old versions take memory until somebody compacts them: without them, what grows is a leak."""
    async with connect(lab.cluster.endpoints) as client:
        await client.delete_prefix(lab.keys)
        await client.compact((await client.stats()).revision)


def largest_mib(lab: Laboratory) -> int:
    """Resident memory of the largest node."""
    sizes = []
    for name in lab.cluster.names:
        for line in Path(f"/proc/{lab.cluster.pid(name)}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                sizes.append(int(line.split()[1]) // 1024)
    return max(sizes, default=0)


if __name__ == "__main__":
    run(__doc__, soak, minutes=60.0)
