"""Toxics: faults as Toxiproxy's HTTP API names them, on the same links.

The rules: `upstream` is the direction from who dialled a port to where it leads, `downstream` the way back. A toxic acts on streams, on
each connection with the chance `toxicity`; several on one direction are passed through in turn. Where a fault transaction rules a
link, the toxics of that link wait until it ends. A toxic ends by itself after TTL_S_MAX, as every fault does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from quorate.cluster.faults.fault import Fault, Slicer
from quorate.cluster.faults.link import Layer
from quorate.cluster.faults.listener import Port
from quorate.cluster.faults.network import ProxyNetwork
from quorate.cluster.faults.payloads import NS_PER_MS, NS_PER_US, TTL_S_MAX
from quorate.cluster.faults.timing import NS_PER_S, Cancellable
from quorate.protocols.simulation.policy import PPM, Rule

BYTES_PER_KB = 1_000
Stream = Literal["upstream", "downstream"]
Count = Annotated[int, Field(ge=0, le=1 << 40)]


class Attributes(BaseModel):
    # As Toxiproxy does, attributes that a toxic does not know are taken and ignored.
    model_config = ConfigDict(extra="ignore", frozen=True)

    def fault(self) -> Fault:
        raise NotImplementedError


class Latency(Attributes):
    latency: Count = 0
    jitter: Count = 0

    def fault(self) -> Fault:
        # latency +/- jitter: ours is from 0 to the scale.
        return Fault(Rule(delay_ns=(self.latency - self.jitter) * NS_PER_MS, jitter_ns=2 * self.jitter * NS_PER_MS, stream=True))


class Bandwidth(Attributes):
    rate: Count = 0

    def fault(self) -> Fault:
        # A rate of 0 lets nothing pass; one byte per second is the nearest that a line can do.
        return Fault(Rule(bytes_per_s=max(1, self.rate * BYTES_PER_KB), stream=True))


class SlowClose(Attributes):
    delay: Count = 0

    def fault(self) -> Fault:
        return Fault(Rule(stream=True), slow_close_ns=self.delay * NS_PER_MS)


class Timeout(Attributes):
    timeout: Count = 0

    def fault(self) -> Fault:
        return Fault(Rule(stream=True), black_hole=True, close_after_ns=self.timeout * NS_PER_MS or None)


class ResetPeer(Attributes):
    timeout: Count = 0

    def fault(self) -> Fault:
        return Fault(Rule(stream=True), reset_after_ns=self.timeout * NS_PER_MS)


class SlicerAttributes(Attributes):
    average_size: Annotated[int, Field(ge=1, le=1 << 30)] = 1
    size_variation: Count = 0
    delay: Count = 0

    def fault(self) -> Fault:
        return Fault(Rule(stream=True), slicer=Slicer(self.average_size, self.size_variation, self.delay * NS_PER_US))


class LimitData(Attributes):
    bytes: Count = 0

    def fault(self) -> Fault:
        return Fault(Rule(stream=True), close_after_bytes=self.bytes)


KINDS: dict[str, type[Attributes]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": SlicerAttributes,
    "limit_data": LimitData,
}


class ToxicPayload(BaseModel):
    """As its clients send it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = ""
    type: str
    stream: Stream = "downstream"
    toxicity: float = Field(default=1.0, ge=0, le=1)
    attributes: dict[str, int | float] = {}

    @model_validator(mode="after")
    def _known(self) -> "ToxicPayload":
        if self.type not in KINDS:
            raise ValueError(f"invalid toxic type {self.type!r}; known: {', '.join(KINDS)}")
        KINDS[self.type].model_validate(self.attributes)
        return self


@dataclass(slots=True)
class Toxic:
    name: str
    type: str
    stream: Stream
    toxicity: float
    attributes: Attributes
    timer: Cancellable | None = None

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
            "attributes": self.attributes.model_dump(),
        }


@dataclass(slots=True)
class Toxics:
    """Of all ports, by the port's name and their own."""

    network: ProxyNetwork
    by_port: dict[Port, dict[str, Toxic]] = field(default_factory=dict)

    def of(self, port: Port) -> dict[str, Toxic]:
        return self.by_port.get(port, {})

    def set(self, port: Port, payload: ToxicPayload) -> Toxic:
        """Add it, or put it in place of the one of that name."""
        name = payload.name or f"{payload.type}_{payload.stream}"
        attributes = KINDS[payload.type].model_validate(payload.attributes)
        made = Toxic(name, payload.type, payload.stream, payload.toxicity, attributes)
        self._forget(port, name)
        self.by_port.setdefault(port, {})[name] = made
        timing = self.network.timing
        made.timer = timing.call_at(timing.now_ns() + int(TTL_S_MAX * NS_PER_S), lambda: self.remove(port, name))
        self.network.events.tell("toxic", link=port.name, toxic=name, type=made.type, stream=made.stream)
        self._apply(port)
        return made

    def remove(self, port: Port, name: str) -> None:
        self._forget(port, name)
        self.network.events.tell("toxic removed", link=port.name, toxic=name)
        self._apply(port)

    def clear(self, ports: Iterable[Port]) -> None:
        for port in ports:
            for name in list(self.of(port)):
                self.remove(port, name)

    def _forget(self, port: Port, name: str) -> None:
        gone = self.by_port.get(port, {}).pop(name, None)
        if gone is not None and gone.timer is not None:
            gone.timer.cancel()

    def _apply(self, port: Port) -> None:
        """A link carries frames of the ports of both directions, and so their toxics."""
        back = self.network.ports.get(port.backward.pair)
        for link, stream, other in ((port.forward, "upstream", "downstream"), (port.backward, "downstream", "upstream")):
            toxics = [toxic for toxic in self.of(port).values() if toxic.stream == stream]
            if back is not None and back.forward is port.backward:
                toxics += [toxic for toxic in self.of(back).values() if toxic.stream == other]
            layers = tuple(Layer(round(toxic.toxicity * PPM), toxic.attributes.fault()) for toxic in toxics)
            if layers != link.layers:
                link.layers = layers
                link.changed()
