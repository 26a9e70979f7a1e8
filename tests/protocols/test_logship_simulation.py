"""Log shipping in the simulated world: a sample of ordinary seeds for every test run. People run more: quorate sim --engine logship."""

from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.case import Case, Subject
from quorate.protocols.simulation.logship_view import LOGSHIP, MESSAGES
from quorate.protocols.simulation.nemesis import BY_HAND, BY_HAND_FROM


def test_it_keeps_the_little_that_it_promises_on_ordinary_seeds() -> None:
    broken = [result for result in (Campaign(LOGSHIP, seed).run(2_500) for seed in range(40)) if result.violation is not None]

    assert [] == [(result.seed, str(result.violation)) for result in broken]


def test_the_sample_reaches_every_branch_of_the_engine() -> None:
    seen: dict[str, int] = {}
    for seed in range(60):
        for name, count in Campaign(LOGSHIP, seed).run(4_000, liveness=False).sometimes.items():
            seen[name] = seen.get(name, 0) + count
    branches = (
        "became_primary promoted_by_hand follows stepped_down truncated errant_truncated started_over semisync_off semisync_on ship_lost "
        "snapshot_transfer snapshot_installed compacted configuration_appended configuration_committed transfer_started retired"
    )

    assert [] == [name for name in [*branches.split(), "rolled back", "history rewritten"] if not seen.get(name)]


def test_a_seed_decides_what_the_operator_does_and_a_shrinker_may_leave_it_out() -> None:
    first, again = (Campaign(LOGSHIP, 3).run(3_000) for _ in range(2))
    by_hand = [strike.number for strike in first.strikes if strike.fault == BY_HAND]
    kept = frozenset(strike.number for strike in first.strikes if strike.fault != BY_HAND)
    without = Subject(LOGSHIP).run(Case(3, steps=3_000, only=kept))

    assert (first.fingerprint, first.strikes) == (again.fingerprint, again.strikes)
    assert by_hand
    assert all(number >= BY_HAND_FROM for number in by_hand)
    assert BY_HAND not in [strike.fault for strike in without.strikes]


def test_all_its_messages_can_be_named_by_faults() -> None:
    assert {"Ship", "Shipped", "Mismatch", "StartOver", "TakeOver"} <= set(MESSAGES)
    assert "Tenure" not in MESSAGES
