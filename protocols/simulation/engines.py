"""The engines that the simulator can drive, by name. Each adapter is imported when it is asked for."""

from importlib import import_module

from quorate.protocols.simulation.engine import Engine

ENGINES = {
    "fastpaxos": ("quorate.protocols.simulation.fastpaxos_view", "FASTPAXOS"),
    "kraft": ("quorate.protocols.simulation.kraft_view", "KRAFT"),
    "logship": ("quorate.protocols.simulation.logship_view", "LOGSHIP"),
    "multipaxos": ("quorate.protocols.simulation.multipaxos_view", "MULTIPAXOS"),
    "raft": ("quorate.protocols.simulation.raft_view", "RAFT"),
    "zab": ("quorate.protocols.simulation.zab_view", "ZAB"),
}
"""Where each engine's adapter lives: module and name."""


class UnknownEngine(ValueError):
    """There is no engine of that name; the message lists those that there are."""


def check(name: str) -> str:
    """The name, if there is such an engine."""
    if name not in ENGINES:
        raise UnknownEngine(f"there is no engine {name!r}; there are {', '.join(sorted(ENGINES))}")
    return name


def load(name: str) -> Engine:
    """The engine of that name."""
    module, attribute = ENGINES[check(name)]
    engine = getattr(import_module(module), attribute)
    assert isinstance(engine, Engine), engine
    return engine
