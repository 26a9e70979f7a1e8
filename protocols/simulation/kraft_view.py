"""KRaft as the simulator sees it: its words for epochs, votes and matches, and the options it is tried with."""

from collections.abc import Mapping

from quorate.protocols import reads
from quorate.protocols.core import TAGS, Core, Message, NodeId
from quorate.protocols.kraft import HardState, KRaft, KRaftOptions, kraft, messages
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.swarm import Settings
from quorate.protocols.terms import ballots
from quorate.protocols.terms.ballots import Vote, VoteReply
from quorate.protocols.terms.roles import Candidate, Leader, PreCandidate

# Short, so that a run of ten thousand events sees many elections; the proportions are those of the defaults.
ELECTION_TICKS = 20

SPEAKING = (ballots.__name__, messages.__name__, reads.__name__)
MESSAGES = tuple(one.__name__ for _, one in sorted(TAGS.items()) if one.__module__ in SPEAKING and one is not HardState)


class KRaftView:
    """Reads the engine's state where it stands: it is asked after every step. A term is an epoch, the commit index the high watermark."""

    def glance(self, core: Core) -> tuple[int, bool, int, int]:
        assert isinstance(core, KRaft)
        state = core.state
        return state.term, isinstance(state.role, Leader), state.commit, state.log.last

    def promised(self, promise: Message) -> tuple[int, NodeId | None]:
        assert isinstance(promise, HardState), promise
        return promise.term, promise.vote or None

    def granted(self, message: Message) -> tuple[int, NodeId | None] | None:
        return (message.term, None) if isinstance(message, VoteReply) and message.granted else None

    def durable(self, core: Core) -> int:
        assert isinstance(core, KRaft)
        return core.state.log.durable

    def role(self, core: Core) -> str:
        assert isinstance(core, KRaft)
        match core.state.role:
            case Leader():
                return "leader"
            case Candidate() | PreCandidate():
                return "candidate"
        member = core.configuration.get(core.state.node)
        return "outsider" if member is None else "follower" if member.voter else "learner"

    def matches(self, core: Core) -> Mapping[NodeId, int]:
        assert isinstance(core, KRaft)
        role = core.state.role
        return {name: peer.match for name, peer in role.peers.items()} if isinstance(role, Leader) else {}


def options(settings: Settings) -> KRaftOptions:
    """Small windows and margins, so that short runs reach their ends; which ones, the variant says."""
    bits = settings.variant

    def pick(choices: tuple[int, ...]) -> int:
        nonlocal bits
        bits, at = divmod(bits, len(choices))
        return choices[at]

    # Where answers come at once, half the time will do, and a run sees twice as many elections.
    quick = settings.rule.delay_ns + settings.rule.jitter_ns + settings.fsync_ns < settings.tick_ns and bool(pick((0, 1)))
    return KRaftOptions(
        election_ticks=ELECTION_TICKS // 2 if quick else ELECTION_TICKS,
        heartbeat_ticks=pick((2, 3)) if quick else pick((2, 6)),
        fetch_retry_ticks=pick((4, 5)) if quick else pick((7, 10)),
        lease_ticks=pick((2, 4, 6)) if quick else pick((5, 10, 15)),
        fetch_bytes_max=pick((100, 1_000, 1 << 20)),
        window_bytes=pick((200, 1_000, 1 << 20)),
        margin_entries=pick((0, 3, 10_000)),
        transfer_retry_ticks=pick((2, 20)),
        read_retry_ticks=pick((2, 10)),
        uncommitted_bytes_max=pick((2_000, 1 << 20)),
        entry_bytes_max=1_000,
        commit_ticks=pick((0, 1, 3)),
        starts_quickly=bool(pick((0, 1))),
    )


def has_lease(core: Core) -> bool:
    assert isinstance(core, KRaft)
    role = core.state.role
    return isinstance(role, Leader) and core.leading.has_lease(role)


def asks(message: Message) -> tuple[int, int, int] | None:
    return (message.term, message.last_index, message.last_term) if isinstance(message, Vote) else None


KRAFT = Engine(
    "kraft",
    kraft,
    options,
    KRaftOptions,
    KRaftView(),
    election_ticks=2 * ELECTION_TICKS,
    messages=MESSAGES,
    votes=True,
    lease=has_lease,
    asks=asks,
)
