"""ZAB as the simulator sees it: its words for epochs and matches, the invariants that are its own, and the options it is tried with."""

from collections.abc import Mapping

from quorate.protocols import reads
from quorate.protocols.core import TAGS, Core, Message, NodeId
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.swarm import Settings
from quorate.protocols.simulation.zab_laws import ZabLaws
from quorate.protocols.zab import Epochs, Zab, ZabOptions, messages, zab
from quorate.protocols.zab.messages import AckEpoch
from quorate.protocols.zab.roles import DISCOVERY, Leader, Looking

# Short, so that a run of ten thousand events sees many elections; the proportions are those of the defaults.
ELECTION_TICKS = 20

SPEAKING = (messages.__name__, reads.__name__)
MESSAGES = tuple(one.__name__ for _, one in sorted(TAGS.items()) if one.__module__ in SPEAKING and one is not Epochs)


class ZabView:
    """Reads the engine's state where it stands: it is asked after every step. A term is an accepted epoch; a node leads one once a
    quorum has acknowledged it, and an acknowledgement that counts is a vote."""

    def glance(self, core: Core) -> tuple[int, bool, int, int]:
        assert isinstance(core, Zab)
        state = core.state
        leads = isinstance(state.role, Leader) and state.role.phase != DISCOVERY
        return state.accepted, leads, state.commit, state.log.last

    def promised(self, promise: Message) -> tuple[int, NodeId | None]:
        assert isinstance(promise, Epochs), promise
        return promise.accepted, None

    def granted(self, message: Message) -> tuple[int, NodeId | None] | None:
        return (message.epoch, None) if isinstance(message, AckEpoch) and message.counts else None

    def durable(self, core: Core) -> int:
        assert isinstance(core, Zab)
        return core.state.log.durable

    def role(self, core: Core) -> str:
        assert isinstance(core, Zab)
        role = core.state.role
        if isinstance(role, Looking) or (isinstance(role, Leader) and role.phase == DISCOVERY):
            return "candidate"
        if isinstance(role, Leader):
            return "leader"
        member = core.configuration.get(core.state.node)
        return "outsider" if member is None else "follower" if member.voter else "learner"

    def matches(self, core: Core) -> Mapping[NodeId, int]:
        assert isinstance(core, Zab)
        role = core.state.role
        return {name: peer.match for name, peer in role.peers.items()} if isinstance(role, Leader) else {}


def options(settings: Settings) -> ZabOptions:
    """Small windows and margins, so that short runs reach their ends; which ones, the variant says."""
    bits = settings.variant

    def pick(choices: tuple[int, ...]) -> int:
        nonlocal bits
        bits, at = divmod(bits, len(choices))
        return choices[at]

    return ZabOptions(
        election_ticks=ELECTION_TICKS,
        discovery_ticks=3 * ELECTION_TICKS,
        heartbeat_ticks=pick((2, 5)),
        lease_ticks=pick((5, 10, 15)),
        proposal_bytes_max=pick((100, 1_000, 1 << 20)),
        window_messages=pick((1, 4, 256)),
        margin_entries=pick((0, 3, 10_000)),
        transfer_retry_ticks=pick((2, 20)),
        read_retry_ticks=pick((2, 10)),
        uncommitted_bytes_max=pick((2_000, 1 << 20)),
        entry_bytes_max=1_000,
        commit_ticks=pick((0, 1, 3)),
        settle_ticks=pick((1, 4)),
        notify_ticks_max=pick((2, 10)),
        retry_ticks=pick((2, 6)),
    )


def has_lease(core: Core) -> bool:
    assert isinstance(core, Zab)
    me = core.state.serving
    return me is not None and core.leading.has_lease(me)


ZAB = Engine(
    "zab",
    zab,
    options,
    ZabOptions,
    ZabView(),
    election_ticks=2 * ELECTION_TICKS,
    messages=MESSAGES,
    votes=True,
    keeps_votes=False,
    own_term=False,
    laws=ZabLaws,
    lease=has_lease,
)
