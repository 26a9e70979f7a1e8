"""Multi-Paxos as the simulator sees it: its words for ballots and votes, and the options it is tried with."""

from collections.abc import Mapping

from quorate.protocols import reads
from quorate.protocols.core import TAGS, Core, Message, NodeId
from quorate.protocols.multipaxos import MultiPaxos, MultiPaxosOptions, Promised, messages, multipaxos
from quorate.protocols.multipaxos.messages import Promise
from quorate.protocols.multipaxos.roles import Asking, Leader, Preparing
from quorate.protocols.simulation.disk import Fold
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.multipaxos_laws import MultiPaxosLaws
from quorate.protocols.simulation.swarm import Settings

# Short, so that a run of ten thousand events sees many elections; the proportions are those of the defaults.
ELECTION_TICKS = 20

SPEAKING = (messages.__name__, reads.__name__)
MESSAGES = tuple(one.__name__ for _, one in sorted(TAGS.items()) if one.__module__ in SPEAKING and one is not Promised)


class MultiPaxosView:
    """Reads the engine's state where it stands: it is asked after every step. A term is the ballot promised, and a promise is a vote
    for the ballot's owner."""

    def glance(self, core: Core) -> tuple[int, bool, int, int]:
        assert isinstance(core, MultiPaxos)
        state = core.state
        return state.ballot, isinstance(state.role, Leader), state.commit, state.log.last

    def promised(self, promise: Message) -> tuple[int, NodeId | None]:
        assert isinstance(promise, Promised), promise
        return promise.ballot, None

    def granted(self, message: Message) -> tuple[int, NodeId | None] | None:
        return (message.ballot, None) if isinstance(message, Promise) else None

    def durable(self, core: Core) -> int:
        assert isinstance(core, MultiPaxos)
        return core.state.log.durable

    def role(self, core: Core) -> str:
        assert isinstance(core, MultiPaxos)
        match core.state.role:
            case Leader():
                return "leader"
            case Asking() | Preparing():
                return "candidate"
        member = core.configuration.get(core.state.node)
        return "outsider" if member is None else "follower" if member.voter else "learner"

    def matches(self, core: Core) -> Mapping[NodeId, int]:
        assert isinstance(core, MultiPaxos)
        role = core.state.role
        return {name: peer.match for name, peer in role.peers.items()} if isinstance(role, Leader) else {}


def options(settings: Settings) -> MultiPaxosOptions:
    """Small windows and margins, so that short runs reach their ends; which ones, the variant says."""
    bits = settings.variant

    def pick(choices: tuple[int, ...]) -> int:
        nonlocal bits
        bits, at = divmod(bits, len(choices))
        return choices[at]

    return MultiPaxosOptions(
        election_ticks=ELECTION_TICKS,
        heartbeat_ticks=pick((2, 5)),
        lease_ticks=pick((5, 10, 15)),
        alpha=pick((1, 3, 8, 100)),
        accept_bytes_max=pick((100, 1_000, 1 << 20)),
        window_messages=pick((1, 4, 256)),
        margin_entries=pick((0, 3, 10_000)),
        transfer_retry_ticks=pick((2, 20)),
        read_retry_ticks=pick((2, 10)),
        unchosen_bytes_max=pick((2_000, 1 << 20)),
        entry_bytes_max=1_000,
        commit_ticks=pick((0, 1, 3)),
        starts_quickly=bool(pick((0, 1))),
    )


def has_lease(core: Core) -> bool:
    assert isinstance(core, MultiPaxos)
    role = core.state.role
    return isinstance(role, Leader) and core.leading.has_lease(role)


def alpha(chosen: object) -> int:
    assert isinstance(chosen, MultiPaxosOptions)
    return chosen.alpha


def known(fold: Fold) -> int:
    return max(fold.base, fold.promise.chosen if isinstance(fold.promise, Promised) else 0)


MULTIPAXOS = Engine(
    "multipaxos",
    multipaxos,
    options,
    MultiPaxosOptions,
    MultiPaxosView(),
    election_ticks=2 * ELECTION_TICKS,
    messages=MESSAGES,
    own_term=False,
    keeps_votes=False,
    slots=True,
    alpha=alpha,
    known=known,
    laws=MultiPaxosLaws,
    lease=has_lease,
)
