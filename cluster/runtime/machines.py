"""The state machines by name. Floor 2 plugs its own in by entry point, so that this floor never imports it."""

from importlib.metadata import entry_points
from typing import Protocol

from quorate.cluster.runtime.replica import Replica
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.wire.errors import BadRequest
from quorate.protocols.core import StateMachine

ENTRY_POINTS = "quorate.machines"
KEYVALUE = "keyvalue"


class MachineFactory(Protocol):
    """What an entry point of `quorate.machines` names: a function that makes a fresh machine."""

    def __call__(self) -> StateMachine: ...


def make_machine(name: str) -> StateMachine:
    """A fresh machine of this name. BadRequest lists the known names."""
    if name == KEYVALUE:
        return KeyValue()
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in found:
        raise BadRequest(f"machine: unknown state machine {name!r}; known: {', '.join(sorted({KEYVALUE, *found}))}")
    factory: MachineFactory = found[name].load()
    return factory()


class Hosted:
    """One group as this node hosts it: its replica, the machine inside the sessions, and its watches where it has any."""

    def __init__(self, replica: Replica, inner: StateMachine) -> None:
        self.replica = replica
        self.inner = inner

    @property
    def keyvalue(self) -> KeyValue:
        """BadRequest where this group replicates something else."""
        if not isinstance(self.inner, KeyValue):
            raise BadRequest(f"group {self.replica.group!r} holds no keys: its machine is {type(self.inner).__name__}")
        return self.inner

    def stats(self) -> dict[str, object]:
        if not isinstance(self.inner, KeyValue):
            return {}
        return {"keys": len(self.inner.store.records), "revision": self.inner.revision}
