"""What the clients of several groups of one cluster share: connections, background work, time and habits."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from quorate.cluster.client.background import Background
from quorate.cluster.client.calls import Calls
from quorate.cluster.client.network import Network
from quorate.cluster.client.sessions import Sessions
from quorate.cluster.client.timing import Timing


@dataclass(frozen=True, slots=True)
class Shared:
    network: Network
    background: Background
    timing: Timing
    rng: Random
    timeout_ms: int
    """Of an operation that names none."""
    exactly_once: bool
    spread_reads: bool
    session_ttl_ms: int
    make_nonce: Callable[[], bytes]

    def sessions(self, calls: Calls) -> Sessions:
        """Those of one group."""
        return Sessions(
            calls, exactly_once=self.exactly_once, ttl_ms=self.session_ttl_ms, background=self.background, make_nonce=self.make_nonce
        )
