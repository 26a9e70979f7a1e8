"""Faults of connections, and several faults of links at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from quorate.cluster.chaos.link_faults import (
    ALL,
    LOST,
    Bandwidth,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Jitter,
    Names,
    Payload,
    Reorder,
    on,
)
from quorate.cluster.chaos.units import NotAFault, say_ms, say_share


@dataclass(frozen=True, slots=True)
class Refuse:
    """Connections are reset, and new ones refused: nobody listens at the source's port."""

    links: Names = ALL
    verb: ClassVar[str] = "refuse"
    effects: ClassVar[Names] = ("resets",)

    def __str__(self) -> str:
        return f"refuse{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "refuse": True, "reset_after_ms": 0}


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Connections open and take everything; nothing arrives, and nobody is told."""

    links: Names = ALL
    verb: ClassVar[str] = "black-hole"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"black-hole{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "black_hole": True}


@dataclass(frozen=True, slots=True)
class Reset:
    """Connections are reset on both sides so long after the fault or the connection began."""

    after_ms: float = 0
    links: Names = ALL
    verb: ClassVar[str] = "reset"
    effects: ClassVar[Names] = ("resets",)

    def __str__(self) -> str:
        return f"reset{f' --after {say_ms(self.after_ms)}' if self.after_ms else ''}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "reset_after_ms": self.after_ms}


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """The destination sees its connections reset; the source is told nothing and goes on sending."""

    links: Names = ALL
    verb: ClassVar[str] = "half-open"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"half-open{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "half_open": True}


@dataclass(frozen=True, slots=True)
class Tear:
    """This share of the frames is cut inside, and the connection is reset there."""

    share: float
    links: Names = ALL
    verb: ClassVar[str] = "tear"
    effects: ClassVar[Names] = ("torn",)

    def __str__(self) -> str:
        return f"tear {say_share(self.share)}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "tear": self.share}


PerLink = Cut | Delay | Jitter | Drop | Duplicate | Reorder | Corrupt | Bandwidth | Refuse | BlackHole | Reset | HalfOpen | Tear
"""What a mix may hold."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Several faults at once on the same links, each of another kind. Two faults one after the other would not add up: the newer one rules
    a link alone."""

    parts: tuple[PerLink, ...]
    verb: ClassVar[str] = "mix"

    @property
    def effects(self) -> Names:
        """All of them: a mix of which one part touched nothing is not the mix that was asked for."""
        return tuple(dict.fromkeys(effect for part in self.parts for effect in part.effects))

    @property
    def links(self) -> Names:
        return self.parts[0].links

    def __str__(self) -> str:
        return " + ".join(str(replace(part, links=ALL)) for part in self.parts) + on(self.links)

    def payload(self) -> Payload:
        result: Payload = {}
        for part in self.parts:
            result |= part.payload()
        return result


def mixed(parts: Sequence[object]) -> Mix:
    """NotAFault if these cannot be on one link at once."""
    fitting = [part for part in parts if isinstance(part, PerLink)]
    for part in parts:
        if part not in fitting:
            raise NotAFault(f"`{part}` cannot be mixed with others by +: it is no fault of each link for itself; begin it by itself")
    named = list(dict.fromkeys(part.links for part in fitting if part.links != ALL))
    if len(named) > 1:
        raise NotAFault("a mix is of the same links: give --link once, or begin them one by one")
    fitting = [replace(part, links=named[0] if named else ALL) for part in fitting]
    words = [name for part in fitting for name, value in part.payload().items() if name != "links" and value]
    if twice := next((word for word in words if words.count(word) > 1), ""):
        raise NotAFault(f"two parts of this mix say {twice}; each part has to be of another kind")
    if any(isinstance(part, Drop) and (part.only or part.first) for part in fitting):
        raise NotAFault("--only and --first of a drop would hold for the other parts too: begin them one by one, on other links")
    return Mix(tuple(fitting))
