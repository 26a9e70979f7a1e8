"""Log shipping as the simulator sees it: its words for terms and matches, the options it is tried with, and an eye of its own."""

from collections.abc import Mapping

from quorate.protocols.core import TAGS, Core, Message, NodeId
from quorate.protocols.logship import Logship, LogshipOptions, Tenure, logship, messages
from quorate.protocols.logship.roles import Heir, Primary
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.logship_watch import LogshipWatch
from quorate.protocols.simulation.swarm import Settings

# Short, so that a run of ten thousand events sees much of everything; nobody is promoted because of it.
SILENCE_TICKS = 20

MESSAGES = tuple(one.__name__ for _, one in sorted(TAGS.items()) if one.__module__ == messages.__name__ and one is not Tenure)


class LogshipView:
    """Reads the engine's state where it stands: it is asked after every step."""

    def glance(self, core: Core) -> tuple[int, bool, int, int]:
        assert isinstance(core, Logship)
        state = core.state
        return state.generation, isinstance(state.role, Primary), state.commit, state.log.last

    def promised(self, promise: Message) -> tuple[int, NodeId | None]:
        assert isinstance(promise, Tenure), promise
        return promise.generation, promise.primary or None

    def granted(self, message: Message) -> tuple[int, NodeId | None] | None:
        return None

    def durable(self, core: Core) -> int:
        assert isinstance(core, Logship)
        return core.state.log.durable

    def role(self, core: Core) -> str:
        assert isinstance(core, Logship)
        match core.state.role:
            case Primary():
                return "leader"
            case Heir():
                return "candidate"
        member = core.configuration.get(core.state.node)
        return "outsider" if member is None else "follower" if member.voter else "learner"

    def matches(self, core: Core) -> Mapping[NodeId, int]:
        assert isinstance(core, Logship)
        role = core.state.role
        return {name: peer.match for name, peer in role.peers.items()} if isinstance(role, Primary) else {}


def options(settings: Settings) -> LogshipOptions:
    """Both modes, small windows and margins; which ones, the variant says."""
    bits = settings.variant

    def pick(choices: tuple[int, ...]) -> int:
        nonlocal bits
        bits, at = divmod(bits, len(choices))
        return choices[at]

    return LogshipOptions(
        semisync=bool(pick((0, 1, 1))),
        acks=pick((1, 1, 1, 2)),
        ack_timeout_ticks=pick((3, 20, 100)),
        heartbeat_ticks=pick((2, 6)),
        silence_ticks=SILENCE_TICKS,
        append_bytes_max=pick((100, 1_000, 1 << 20)),
        window_messages=pick((1, 4, 256)),
        margin_entries=pick((0, 3, 10_000)),
        transfer_retry_ticks=pick((2, 20)),
        uncommitted_bytes_max=pick((2_000, 1 << 20)),
        entry_bytes_max=1_000,
    )


LOGSHIP = Engine(
    "logship",
    logship,
    options,
    LogshipOptions,
    LogshipView(),
    election_ticks=2 * SILENCE_TICKS,
    messages=MESSAGES,
    own_term=False,
    by_hand=True,
    watch=LogshipWatch,
)
