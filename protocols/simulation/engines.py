"""The engines that the simulator can drive, by name. Each adapter is imported when it is asked for."""

from importlib import import_module

from quorate.protocols.simulation.engine import Engine

ENGINES = {"raft": ("quorate.protocols.simulation.raft_view", "RAFT")}
"""Where each engine's adapter lives: module and name."""


class UnknownEngine(ValueError):
    """There is no engine of that name; the message lists those that there are."""


def load(name: str) -> Engine:
    """The engine of that name."""
    if name not in ENGINES:
        raise UnknownEngine(f"there is no engine {name!r}; there are {', '.join(sorted(ENGINES))}")
    module, attribute = ENGINES[name]
    engine = getattr(import_module(module), attribute)
    assert isinstance(engine, Engine), engine
    return engine
