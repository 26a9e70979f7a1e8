"""Two primaries: log shipping without consensus loses writes that it had acknowledged, and the checker sees it.

The primary is cut off from its replicas and does not know it. Somebody believes that it is dead and promotes a replica by hand. Until the
cut ends both acknowledge writes; then the former primary gives up what the new one has not. What it looks like:

    PRIMARY               WRITES ACKNOWLEDGED  GONE AFTERWARDS
    n1, cut off           1,727                1,727
    n2, promoted by hand  1,521                0

A control: it must fail. Exit code: the checker's verdict, so 1 where writes were lost; 0 would mean that none was; 2 unknown. An engine of
consensus cannot be led into this: with `--engine raft` a promotion by hand is refused.
"""

import argparse
import asyncio

from laboratory import Laboratory, run, table

from quorate import Client, QuorateError, connect
from quorate.cluster.chaos.vocabulary import parse
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.verdict import Verdict
from quorate.protocols.core import PromoteByHand

PATIENCE_S = 5.0


async def split_brain(lab: Laboratory, options: argparse.Namespace) -> Verdict:
    former = await lab.leader()
    promoted = next(name for name in lab.cluster.names if name != former)
    written: dict[str, dict[str, str]] = {former: {}, promoted: {}}
    async with Client(lab.address(former), only_given=True) as there, Client(lab.address(promoted), only_given=True) as here:
        fault = await lab.acts.begin(parse(f"isolate {former}"), ttl_s=60)
        async with connect(lab.cluster.endpoints) as somebody:
            await somebody.reconfigure(PromoteByHand(promoted), timeout=PATIENCE_S)
        await asyncio.gather(
            write_on(lab, there, former, written[former], options.seconds),
            write_on(lab, here, promoted, written[promoted], options.seconds),
        )
        await lab.acts.end(fault)
    await asyncio.to_thread(lab.cluster.wait_ready)
    rows = []
    async with connect(lab.cluster.endpoints) as client:
        reader = RecordedClient(client, lab.recorder)
        for name, how in ((former, "cut off"), (promoted, "promoted by hand")):
            gone = [
                key for key, value in written[name].items() if (found := await reader.get(key)) is None or found.value.decode() != value
            ]
            rows.append((f"{name}, {how}", f"{len(written[name]):,}", f"{len(gone):,}"))
    table(("PRIMARY", "WRITES ACKNOWLEDGED", "GONE AFTERWARDS"), rows)
    return lab.verdict()


async def write_on(lab: Laboratory, client: Client, side: str, written: dict[str, str], seconds: float) -> None:
    """One write after the other, each to a key of its own; those that are acknowledged are noted."""
    recorded, number = RecordedClient(client, lab.recorder), 0
    loop = asyncio.get_running_loop()
    end_s = loop.time() + seconds
    while loop.time() < end_s:
        number += 1
        key = f"{lab.keys}{side}/{number}"
        try:
            await recorded.put(key, "kept?")
        except QuorateError:
            continue
        written[key] = "kept?"


if __name__ == "__main__":
    run(__doc__, split_brain, engine="logship", seconds=3.0)
