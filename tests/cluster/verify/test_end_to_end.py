"""A simulated cluster's histories, judged by the checkers: sound engines give such as they accept, broken ones such as they refuse.

The simulator's own eye on what the ablation breaks is shut, so that only the clients' words can tell.
"""

from collections.abc import Callable

import pytest

from quorate.cluster.verify.checks import check
from quorate.cluster.verify.simulated import Recording
from quorate.cluster.verify.verdict import Answer, Budget, Verdict
from quorate.protocols.core import Entry
from quorate.protocols.sessions import Sessions
from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.ablations import rows_of
from quorate.protocols.simulation.application import Application, Lists, Registers
from quorate.protocols.simulation.invariants import Watch
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.workload import Operation

ROWS = {row.name: row for row in rows_of("raft")}
BUDGET = Budget(seconds=20, states_max=500_000)

APPLICATIONS: dict[str, Callable[[], Application]] = {"register": lambda: Registers(cas=0), "cas": Registers, "list-append": Lists}


class BlindToClients(Watch):
    """Looks at the nodes' logs, and not at what clients are told."""

    def answers(self, node: Node, operation: Operation) -> None:
        self.acknowledged = max(self.acknowledged, node.machine.applied)

    def applied(self, node: Node, entry: Entry, result: bytes) -> None: ...


def judged(model: str, seed: int, without: str | None = None) -> Verdict:
    recording = Recording()
    row = ROWS[without] if without else None
    campaign = Campaign(
        RAFT if row is None else row.engine,
        seed,
        node_class=Node if row is None else row.node_class,
        sessions=Sessions if row is None else row.sessions,
        application=APPLICATIONS[model](),
        observer=recording,
        watch_class=Watch if row is None else BlindToClients,
    )
    result = campaign.run(4_000, liveness=False)
    assert result.violation is None, result.violation
    return check(recording.history({"seed": seed}), model, BUDGET)


@pytest.mark.parametrize("model", APPLICATIONS)
@pytest.mark.parametrize("seed", range(6))
def test_a_sound_cluster_gives_a_history_that_is_accepted(model: str, seed: int) -> None:
    assert Answer.VALID is judged(model, seed).answer


@pytest.mark.parametrize(
    ("model", "without"),
    [
        ("register", "AnswersBeforeApplying"),
        ("cas", "AnswersBeforeApplying"),
        ("list-append", "AnswersBeforeApplying"),
        ("cas", "AppliesEveryCopy"),
        ("list-append", "AppliesEveryCopy"),
    ],
)
def test_a_broken_cluster_gives_one_that_is_refused(model: str, without: str) -> None:
    assert any(judged(model, seed, without).answer is Answer.INVALID for seed in range(80))
