"""The seeded world that drives any core: simulated time, network, disks and clocks, faults, clients, invariants, scenarios."""

from quorate.protocols.simulation.campaign import Campaign, Result
from quorate.protocols.simulation.engine import Engine, View
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.nemesis import Strike
from quorate.protocols.simulation.swarm import Settings, swarm
from quorate.protocols.simulation.world import World

__all__ = ["Campaign", "Engine", "Result", "Settings", "Strike", "View", "Violation", "World", "swarm"]
