"""ZAB in the simulated world: a sample of ordinary seeds for every test run. People and CI run more: quorate sim --engine zab."""

import os
import subprocess
import sys

from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.zab_view import MESSAGES, ZAB

TRACE_OF_A_SEED = """
from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.zab_view import ZAB
for seed in (3, 21, 43):
    campaign = Campaign(ZAB, seed, trace=True)
    result = campaign.run(1500)
    print(result.events, result.fingerprint, campaign.world.trace.digest, result.violation)
    print(result.strikes, result.coverage, result.sometimes)
"""


def test_zab_keeps_every_invariant_on_ordinary_seeds() -> None:
    broken = [result for result in (Campaign(ZAB, seed).run(2_500) for seed in range(40)) if result.violation is not None]

    assert [] == [(result.seed, str(result.violation)) for result in broken]


def test_the_sample_reaches_every_branch_of_the_engine() -> None:
    seen: dict[str, int] = {}
    for seed in range(60):
        for name, count in Campaign(ZAB, seed).run(4_000, liveness=False).sometimes.items():
            seen[name] = seen.get(name, 0) + count
    branches = (
        "looking elected following epoch_proposed synchronizing became_leader up_to_date stepped_down truncated follower_silent "
        "snapshot_transfer snapshot_installed compacted configuration_appended configuration_committed transfer_started removed"
    )

    assert [] == [name for name in branches.split() if not seen.get(name)]


def test_a_seed_gives_the_same_trace_under_any_hash_seed() -> None:
    told = set()
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", TRACE_OF_A_SEED], env=environment, capture_output=True, text=True, check=True)
        told.add(done.stdout)

    assert 1 == len(told), told


def test_all_its_messages_can_be_named_by_faults() -> None:
    assert {"Notification", "Proposal", "NewLeader", "Ping", "ReadIndex"} <= set(MESSAGES)
    assert "Epochs" not in MESSAGES
