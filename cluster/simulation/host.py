"""A simulated machine that runs one node: its disk, its clock, its power switch.

The rule it keeps: what outlives a crash is what the disk holds and what the clock counts, nothing else. The node is the real one.
"""

from errno import EIO
from pathlib import Path
from random import Random

import structlog

from quorate.cluster.runtime.config import TICK_MS, GroupConfig, HttpConfig, Listener, LogConfig, MemberConfig, NodeConfig
from quorate.cluster.runtime.node import Node
from quorate.cluster.runtime.surroundings import MakeCore, Surroundings
from quorate.cluster.simulation.disk import JournalSteps, SimulatedDisk
from quorate.cluster.simulation.loop import Process, SimulatedLoop
from quorate.cluster.simulation.settings import RunSettings
from quorate.cluster.simulation.streams import SimulatedStreams
from quorate.cluster.simulation.trace import Trace
from quorate.cluster.storage.faulty import Crash
from quorate.protocols.core import NodeId
from quorate.protocols.simulation.clock import DRIFT_MAX_PPM, NodeClock
from quorate.protocols.simulation.policy import PPM
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND

PEER_PORT, CLIENT_PORT = 7000, 7001
# Each look at the clock of work says that so much went by: slices end after a few strides, as they do on a busy machine.
LOOK_S = 0.0007
FUSE_STEPS_MAX = 12


class HostClock:
    """The machine's clock, as the port `Clock`."""

    def __init__(self, loop: SimulatedLoop, rng: Random) -> None:
        self._loop = loop
        self._clock = NodeClock(TICK_MS * MILLISECOND, rng.randrange(1_000 * SECOND), rng.randint(-DRIFT_MAX_PPM, DRIFT_MAX_PPM))

    def now_ms(self) -> int:
        return self._clock.local_ns(self._loop.now_ns) // MILLISECOND

    def drift(self, ppm: int) -> None:
        self._clock.drift(self._loop.now_ns, ppm)


class WorkClock:
    """Counts looks instead of seconds."""

    def __init__(self) -> None:
        self._looks = 0

    def __call__(self) -> float:
        self._looks += 1
        return self._looks * LOOK_S


class Host:
    """One machine of the cluster."""

    def __init__(
        self, seed: int, number: int, settings: RunSettings, loop: SimulatedLoop, streams: SimulatedStreams, trace: Trace, core: MakeCore
    ) -> None:
        self.name: NodeId = f"n{number}"
        self.node: Node | None = None
        self.process: Process | None = None
        self.failure = ""
        """Why the node ended by itself; it never should."""
        self.has_slow_disk = False
        self.life = 0
        self._loop, self._streams, self._trace, self._settings, self._make_core = loop, streams, trace, settings, core
        self.rng = Random(f"{seed}/{self.name}")
        self.clock = HostClock(loop, self.rng)
        self.disk = SimulatedDisk(self.rng, lambda: self._down(in_silence=True))
        self._steps: JournalSteps
        members = {
            f"n{each}": MemberConfig(number=each, peer=f"n{each}:{PEER_PORT}", client=f"n{each}:{CLIENT_PORT}")
            for each in range(1, settings.nodes + 1)
        }
        self._config = NodeConfig(
            cluster="simulated",
            node=self.name,
            data=Path("/data"),
            peer=Listener(listen=f"{self.name}:{PEER_PORT}"),
            client=Listener(listen=f"{self.name}:{CLIENT_PORT}"),
            http=HttpConfig(enabled=False),
            members=members,
            groups={group: GroupConfig() for group in settings.group_names},
            timing=settings.timing,
            log=LogConfig(segment_mib=1, snapshot_mib=1, keep_mib=0),
        )

    def __repr__(self) -> str:
        return f"<Host {self.name} life={self.life}{'' if self.is_up else ' down'}>"

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.alive

    @property
    def address(self) -> str:
        return f"{self.name}:{CLIENT_PORT}"

    def start(self) -> None:
        """Power on; the node begins its next life on what the disk holds."""
        assert not self.is_up, self
        self._trace.say(self.name, "starts")
        self.disk.start_again()
        self._streams.dark.discard(self.name)
        self.life += 1
        self.process = self._loop.process(self.name)
        self.process.work_ns = self._latency
        self.process.context.run(structlog.contextvars.bind_contextvars, node=self.name)
        self._steps = JournalSteps(self._loop, self._latency)
        self.process.spawn(self._live(self.process))

    async def _live(self, process: Process) -> None:
        around = Surroundings(
            clock=self.clock,
            work_s=WorkClock(),
            files=self.disk,
            rng=Random(self.rng.getrandbits(64)),
            beside=lambda work: work(),
            steps_journal=self._steps.put,
            make_core=self._make_core,
            on_hosting=lambda: None,
        )
        self.node = Node(self._config, around)
        try:
            await self.node.run()
        except Crash:
            raise
        except BaseException as error:
            if process.alive and self.disk.faults.fail_sync is not None:
                self._down(in_silence=False)  # on such a disk it may refuse to start, or to go on
            elif process.alive:
                self.failure = f"{self.name} ended in life {self.life}: {error!r}"
                self._trace.say(self.name, self.failure)
                self._down(in_silence=False)

    def crash(self, *, in_silence: bool) -> None:
        """The process is killed, or in silence: the machine loses its power."""
        if self.process is not None and self.process.alive:
            self.process.context.run(self._steps.interrupt, self.disk, self.rng)
            self._down(in_silence=in_silence)

    def _down(self, *, in_silence: bool) -> None:
        process = self.process
        if process is None or not process.alive:
            return
        self._trace.say(self.name, "loses its power" if in_silence else "is killed")
        process.kill()
        self.node = None
        self.disk.freeze()
        self._streams.died(process, in_silence=in_silence)

    def light_fuse(self) -> None:
        """The power goes within the next steps of the disk."""
        self.disk.crash_within(self.rng.randrange(FUSE_STEPS_MAX))

    def fail_disk(self) -> None:
        """Every sync fails; what it should have made durable never will be."""
        self.disk.faults.fail_sync = EIO

    def pause(self) -> None:
        if self.process is not None:
            self.process.pause()

    def resume(self) -> None:
        if self.process is not None and self.process.is_paused:
            self.process.resume()

    def _latency(self) -> int:
        settings, rng = self._settings, self.rng
        if self.has_slow_disk or (settings.slow_fsync_ppm and rng.randrange(PPM) < settings.slow_fsync_ppm):
            return rng.randrange(settings.slow_fsync_ns + 1)
        return rng.randrange(settings.fsync_ns + 1)
