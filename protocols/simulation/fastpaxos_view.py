"""Fast Paxos as the simulator sees it: Multi-Paxos's words for ballots and votes, and the options it is tried with."""

from dataclasses import replace

from quorate.protocols import reads
from quorate.protocols.core import TAGS, Core, Message, NodeId
from quorate.protocols.fastpaxos import FastPaxos, FastPaxosOptions, FastPromised, fastpaxos, messages
from quorate.protocols.multipaxos import Promised
from quorate.protocols.multipaxos import messages as classic
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.simulation.disk import Fold
from quorate.protocols.simulation.fastpaxos_laws import FastPaxosLaws
from quorate.protocols.simulation.multipaxos_view import ELECTION_TICKS, MULTIPAXOS, MultiPaxosView
from quorate.protocols.simulation.swarm import Settings

SPEAKING = (messages.__name__, classic.__name__, reads.__name__)
PERSISTED = (Promised, FastPromised)
MESSAGES = tuple(one.__name__ for _, one in sorted(TAGS.items()) if one.__module__ in SPEAKING and one not in PERSISTED)


class FastPaxosView(MultiPaxosView):
    """A fast round is part of its ballot: it has no leader of its own."""

    def promised(self, promise: Message) -> tuple[int, NodeId | None]:
        assert isinstance(promise, FastPromised), promise
        return promise.ballot, None


def options(settings: Settings) -> FastPaxosOptions:
    """Small windows and margins, so that short runs reach their ends; which ones, the variant says."""
    bits = settings.variant

    def pick(choices: tuple[int, ...]) -> int:
        nonlocal bits
        bits, at = divmod(bits, len(choices))
        return choices[at]

    alpha = pick((1, 3, 8, 100))
    return FastPaxosOptions(
        election_ticks=ELECTION_TICKS,
        heartbeat_ticks=pick((2, 5)),
        lease_ticks=pick((5, 10, 15)),
        alpha=alpha,
        accept_bytes_max=pick((100, 1_000, 1 << 20)),
        window_messages=pick((1, 4, 256)),
        margin_entries=pick((0, 3, 10_000)),
        transfer_retry_ticks=pick((2, 20)),
        read_retry_ticks=pick((2, 10)),
        unchosen_bytes_max=pick((2_000, 1 << 20)),
        entry_bytes_max=1_000,
        commit_ticks=pick((0, 1, 3)),
        starts_quickly=bool(pick((0, 1))),
        uncoordinated=bool(pick((0, 1))),
        fast_window=min(alpha, pick((2, 5, 20))),
        stage_slots=pick((4, 30, 1_000)),
        recovery_ticks=pick((1, 3)),
        repropose_ticks=pick((3, 8)),
        live_ticks=pick((6, 15)),
        pause_ticks=pick((1, 10)),
        collisions_max=pick((1, 4, 16)),
    )


def has_lease(core: Core) -> bool:
    assert isinstance(core, FastPaxos)
    role = core.state.role
    return isinstance(role, Leader) and core.leading.has_lease(role)


def alpha(chosen: object) -> int:
    assert isinstance(chosen, FastPaxosOptions)
    return chosen.alpha


def known(fold: Fold) -> int:
    return max(fold.base, fold.promise.chosen if isinstance(fold.promise, FastPromised) else 0)


FASTPAXOS = replace(
    MULTIPAXOS,
    name="fastpaxos",
    factory=fastpaxos,
    options=options,
    configure=FastPaxosOptions,
    view=FastPaxosView(),
    messages=MESSAGES,
    alpha=alpha,
    known=known,
    laws=FastPaxosLaws,
    lease=has_lease,
)
