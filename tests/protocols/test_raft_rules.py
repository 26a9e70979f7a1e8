"""Every rule on Raft's page of rules has a test that fails without it: here each is run once more, with that rule switched off.

The seeds that break an invariant without a rule are a matter of the simulator's tests; here the steps are fixed.
"""

from collections.abc import Callable

import pytest

from quorate.protocols.core import Entry
from quorate.protocols.log import Log
from quorate.protocols.raft import Raft, Rules
from tests.protocols import test_raft_elections as elections
from tests.protocols import test_raft_membership as membership
from tests.protocols import test_raft_reads as reads
from tests.protocols import test_raft_replication as replication
from tests.protocols import test_raft_snapshots as snapshots
from tests.protocols import test_raft_start as start
from tests.protocols.raft_cluster import Cluster

Body = Callable[..., object]

WITHOUT: dict[str, tuple[Body, Callable[[], None]]] = {
    "term_to_persist": (lambda self, term: 0, elections.test_a_vote_is_not_sent_before_the_fsync),
    "vote_to_persist": (lambda self, vote: "", elections.test_a_vote_survives_a_crash),
    "acks_after_sync": (lambda self: False, replication.test_a_follower_acknowledges_only_what_is_durable),
    "own_match": (
        lambda self, log: log.last,
        replication.test_a_leader_sends_appends_before_its_own_log_is_durable_but_counts_itself_only_after,
    ),
    "asks_after_sync": (lambda self: False, start.test_a_vote_for_a_log_that_a_crash_took_does_not_count_for_what_is_left_of_it),
    "own_vote_counts": (
        lambda self, durable: True,
        elections.test_votes_are_asked_for_after_the_fsync_and_a_stray_one_elects_nobody_before_it,
    ),
    "is_stale": (lambda self, message_term, term: False, elections.test_a_stale_vote_of_an_older_term_is_not_counted),
    "may_grant": (lambda self, vote, candidate: True, elections.test_one_vote_per_term_first_come_first_served),
    "is_up_to_date": (lambda self, theirs, ours: True, elections.test_a_vote_goes_only_to_a_log_at_least_as_up_to_date),
    "count_votes": (lambda self, votes, configuration: sum(votes.values()), elections.test_the_same_vote_arriving_twice_elects_nobody),
    "asks_before_campaigning": (lambda self: False, elections.test_a_node_cut_off_does_not_raise_its_term),
    "sticks_to_leader": (
        lambda self, ticks_since_heard, election_ticks: False,
        elections.test_a_leader_silent_for_less_than_an_election_timeout_is_not_deposed,
    ),
    "keeps_promise": (lambda self, now, promised_until: False, snapshots.test_nobody_votes_before_the_promise_to_the_lease_is_over),
    "promised_at_start": (
        lambda self, restarted, promise_ticks: 0,
        elections.test_a_restarted_voter_grants_nothing_for_one_lease_period,
    ),
    "leaves_without_quorum": (
        lambda self, ticks_since_quorum, election_ticks: False,
        elections.test_a_leader_that_reaches_no_quorum_steps_down_by_itself,
    ),
    "governing": (
        lambda self, configurations, commit: next(one for one in reversed(configurations) if one.index <= commit),
        membership.test_a_configuration_is_in_force_from_its_append_on,
    ),
    "previous_matches": (
        lambda self, log, index, term: index <= log.last,
        replication.test_figure_7_every_kind_of_divergent_log_is_made_equal,
    ),
    "first_new": (lambda self, log, entries: 0, replication.test_a_suffix_that_matches_is_never_truncated_by_a_late_append),
    "commits_by_counting": (
        lambda self, entry_term, term: True,
        replication.test_figure_8_an_entry_of_an_older_term_is_not_committed_by_counting,
    ),
    "opens_term_with_noop": (lambda self: False, elections.test_a_node_that_hears_no_leader_is_elected_and_commits_a_noop),
    "commit_to_believe": (
        lambda self, commit, matched: commit,
        replication.test_a_commit_index_is_believed_only_as_far_as_the_log_is_known_to_match,
    ),
    "may_read": (lambda self, commit, first_index: True, reads.test_a_leader_answers_no_read_before_it_committed_in_its_own_term),
    "read_round": (lambda self, last_round: last_round, reads.test_a_read_is_not_confirmed_by_a_round_sent_before_it_arrived),
    "lease_holds": (
        lambda self, now, lease_from, lease_ticks: True,
        reads.test_a_lease_read_without_a_lease_is_confirmed_by_a_round,
    ),
    "lease_start": (
        lambda self, sent_at, now: now,
        reads.test_a_lease_counts_from_the_tick_at_which_its_heartbeat_was_sent,
    ),
    "drops_lease_before_hand_over": (
        lambda self: False,
        membership.test_the_lease_is_dropped_before_the_hand_over_and_for_the_rest_of_the_term,
    ),
    "change_is_alone": (lambda self, latest, commit: True, membership.test_one_change_at_a_time),
    "own_term_committed": (
        lambda self, commit, first_index: True,
        membership.test_no_change_before_an_entry_of_the_leaders_own_term_is_committed,
    ),
    "may_install": (lambda self, snapshot_index, commit: True, snapshots.test_a_snapshot_that_is_behind_the_commit_index_is_refused),
}


def test_every_rule_is_in_the_table() -> None:
    assert {name for name in dir(Rules) if not name.startswith("_") and name != "log_type"} == set(WITHOUT)


@pytest.mark.parametrize("name", WITHOUT)
def test_a_rules_own_test_fails_without_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, test = WITHOUT[name]
    rules = type(f"Without_{name}", (Rules,), {name: body})
    monkeypatch.setattr(Cluster, "kind", type("Broken", (Raft,), {"rules": rules()}))

    with pytest.raises((AssertionError, LookupError)):
        test()


class Unclipped(Log):
    """Takes the late sync of an overwritten batch for that of what stands there now."""

    def clip(self, index: int) -> None: ...


def test_without_the_clip_an_overwritten_batch_makes_others_durable() -> None:
    """1. Entries 1-3 of term 1 are being written. 2. Truncated to 1, others take their place. 3. The first sync ends."""
    for log, expected in ((Log(), 1), (Unclipped(), 3)):
        log.extend([Entry(index, 1, 0, 0, b"") for index in (1, 2, 3)])
        log.mark_written(1)
        log.truncate(1)
        log.extend([Entry(index, 2, 0, 0, b"") for index in (2, 3)])
        log.mark_written(2)
        log.synced(1)

        assert expected == log.durable
