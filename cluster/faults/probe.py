"""Is a link really open? A frame goes in at its port, through the judges of both directions, and must come back.

The rule: the probe takes the way that nodes' frames take (port, framer, lane, heap, writer), up to the place where the destination
would be dialled; whether the destination answers is told apart, because a node that is down is no fault of the proxy.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from quorate.cluster.faults.listener import Port
from quorate.cluster.faults.relay import PROBE
from quorate.cluster.runtime.config import split_address
from quorate.cluster.wire.rpc import REQUEST, pack

PROBE_S_MAX = 2.0
"""An open link answers within a millisecond; a process that has to wait for its turn on a busy machine, within this."""
_FRAME = pack((REQUEST, 0, PROBE, ()))


@dataclass(frozen=True, slots=True)
class Probed:
    link: str
    open: bool
    round_trip_us: int
    problem: str
    destination_up: bool


async def probe(port: Port) -> Probed:
    began = time.perf_counter_ns()
    problem = ""
    try:
        async with asyncio.timeout(PROBE_S_MAX):
            reader, writer = await asyncio.open_connection(*split_address(port.address))
            try:
                writer.write(_FRAME)
                if await reader.readexactly(len(_FRAME)) != _FRAME:
                    problem = "the frame came back damaged"
            finally:
                writer.close()
    except TimeoutError:
        problem = f"no answer within {PROBE_S_MAX:g} s"
    except (OSError, EOFError) as error:
        problem = str(error) or type(error).__name__
    took_us = (time.perf_counter_ns() - began) // 1_000
    return Probed(port.name, not problem, took_us, problem, await _answers(port.upstream))


async def _answers(address: str) -> bool:
    try:
        async with asyncio.timeout(PROBE_S_MAX):
            _, writer = await asyncio.open_connection(*split_address(address))
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def probe_all(ports: list[Port]) -> list[Probed]:
    return list(await asyncio.gather(*map(probe, ports)))
