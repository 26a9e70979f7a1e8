"""What the simulator must know of an engine beyond the one interface: how to make it, and how to look into it.

The rule it keeps: invariants are stated once, over what every engine has (terms, leaders, commits, votes); each engine's
adapter translates its own words into these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Protocol

from quorate.protocols.core import Core, CoreFactory, Effects, Message, NodeId
from quorate.protocols.simulation.swarm import Settings

if TYPE_CHECKING:
    from quorate.protocols.simulation.disk import Fold
    from quorate.protocols.simulation.invariants import Watch
    from quorate.protocols.simulation.node import Node


class View(Protocol):
    """Looks into one engine's cores, promises and messages, cheaply: some of it is asked after every step."""

    def glance(self, core: Core) -> tuple[int, bool, int, int]:
        """(term, whether it leads that term, commit index, last index)."""

    def promised(self, promise: Message) -> tuple[int, NodeId | None]:
        """(term, vote) of a durable promise."""

    def granted(self, message: Message) -> tuple[int, NodeId | None] | None:
        """The (term, candidate) for which this message grants its sender's vote; candidate None: the addressee. None if no grant."""

    def durable(self, core: Core) -> int:
        """Up to where the core counts its own log as durable."""

    def role(self, core: Core) -> str:
        """leader, candidate, follower, learner, or outsider: in no configuration that it knows of. Asked when a fault strikes."""

    def matches(self, core: Core) -> Mapping[NodeId, int]:
        """A leader's knowledge of how far each peer's log agrees with its own."""


class Laws(Protocol):
    """What one engine asks of its nodes beside the invariants of all engines."""

    def wrote(self, node: "Node", core: Core, effects: Effects) -> None:
        """The node's batch is in its log, though not durable yet, and nothing of it that must wait for the disk has left."""


def on_disk(options: object, storage: str) -> object:
    """These options for a node that votes with that disk, where the engine asks for it."""
    if is_dataclass(options) and not isinstance(options, type) and "storage" in {field.name for field in fields(options)}:
        return replace(options, storage=storage)
    return options


@dataclass(frozen=True, slots=True)
class Engine:
    """One consensus engine as the simulator runs it."""

    name: str
    factory: CoreFactory
    options: Callable[[Settings], object]
    """The engine's options for a world; `settings.variant` chooses among those that it should be tried with."""
    configure: Callable[..., object]
    """Makes options from named figures, as scenarios give them: configure(election_ticks=10)."""
    view: View
    election_ticks: int
    """The longest that a follower waits for a leader, the unit of the liveness bounds."""
    messages: tuple[str, ...] = ()
    """The names of its message types, for faults that choose among them."""
    votes: bool = False
    """Whether a leader is made by votes that `view.granted` shows, a majority of them."""
    keeps_votes: bool = True
    """Whether a promise names whom the vote went to; else its term alone bars another vote."""
    own_term: bool = True
    """Whether a leader commits by counting only entries of its own term, and changes members only after one of them."""
    slots: bool = False
    """Whether a log is made of slots, decided in any order and written again under later ballots: logs have gaps and need not match,
    and a leader may begin without what was decided before. Its laws say what holds instead."""
    alpha: Callable[[object], int] | None = None
    """By its options: how many slots after its own a configuration begins to govern. None: at once."""
    known: "Callable[[Fold], int] | None" = None
    """Up to where a disk says that all is committed, for engines with an alpha: a configuration can do without the one before when a
    quorum of it has on disk that there is nothing left for that one to decide."""
    laws: "Callable[[Mapping[NodeId, Node]], Laws] | None" = None
    """Invariants that only this engine has, for a world of these nodes."""
    lease: Callable[[Core], bool] | None = None
    """Whether the core relies on a lease now; None for engines without leases."""
    by_hand: bool = False
    """Whether only an operator makes another node primary. Then one is there to do it, and committed entries may be given up."""
    watch: "type[Watch] | None" = None
    """Its own invariants in the place of those of consensus."""
    asks: Callable[[Message], tuple[int, int, int] | None] | None = None
    """(term, index and term of the last entry) that a request for a vote claims; None if it is none. For engines whose candidates ask
    only with what is durable."""
