"""Every rule on KRaft's own page has a test that fails without it: here each is run once more, with that rule switched off. Those that it
shares with Raft are switched off in test_raft_rules.py, and by KRaft's table of ablations."""

from collections.abc import Callable

import pytest

from quorate.protocols.kraft import Rules
from tests.protocols import test_kraft_fetching as fetching
from tests.protocols import test_kraft_leading as leading

Body = Callable[..., object]

WITHOUT: dict[str, tuple[Body, Callable[[], None]]] = {
    "acknowledged": (lambda self, log: log.last, fetching.test_a_fetch_asks_from_the_logs_end_and_acknowledges_what_is_durable),
    "counts_offset": (
        lambda self, *, meets: True,
        leading.test_an_offset_that_diverges_counts_for_nothing_and_is_told_where_the_logs_may_meet,
    ),
    "meets": (
        lambda self, log, offset, epoch: offset <= log.last,
        fetching.test_records_are_not_taken_in_after_another_entry_than_the_leaders,
    ),
    "continues": (lambda self, log, offset: True, fetching.test_an_answer_that_comes_twice_is_taken_in_once),
    "concerns": (lambda self, log, offset, epoch: True, fetching.test_a_late_divergence_truncates_nothing),
    "truncation_point": (
        lambda self, log, diverging_epoch, end_offset: end_offset,
        fetching.test_a_diverging_epoch_that_ends_earlier_here_truncates_to_its_end_here,
    ),
}


def test_every_rule_is_in_the_table() -> None:
    assert {name for name in vars(Rules) if not name.startswith("_")} == set(WITHOUT)


@pytest.mark.parametrize("name", WITHOUT)
def test_a_rules_own_test_fails_without_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, test = WITHOUT[name]
    monkeypatch.setattr(Rules, name, body)

    with pytest.raises(AssertionError):
        test()
