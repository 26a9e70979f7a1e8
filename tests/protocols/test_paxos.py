"""Single-decree Paxos: its rules one by one, thousands of random lives, and each safeguard taken out. PMS, section 2."""

from dataclasses import dataclass

import pytest

from quorate.protocols.paxos import (
    NO_BALLOT,
    Accept,
    Accepted,
    Acceptor,
    AcceptorState,
    Ballot,
    Learner,
    Prepare,
    Promise,
    Proposer,
    Refused,
)
from quorate.protocols.quorum import majority
from tests.protocols.paxos_room import Broken, Cast, run

ACCEPTORS = ("a1", "a2", "a3")
ONE, TWO, THREE = Ballot(1, 1), Ballot(1, 2), Ballot(2, 1)


# --- the acceptor ---


def test_a_promise_is_written_before_it_is_sent_and_carries_what_was_accepted() -> None:
    acceptor = Acceptor()
    acceptor.receive(Prepare(ONE))
    acceptor.receive(Accept(ONE, b"red"))
    answer = acceptor.receive(Prepare(TWO))

    assert AcceptorState(TWO, ONE, b"red") == answer.write
    assert Promise(TWO, ONE, b"red") == answer.reply


def test_nothing_older_than_the_promise_is_promised_or_accepted() -> None:
    acceptor = Acceptor(AcceptorState(TWO, NO_BALLOT, None))

    assert Refused(ONE, TWO) == acceptor.receive(Prepare(ONE)).reply
    assert Refused(ONE, TWO) == acceptor.receive(Accept(ONE, b"red")).reply
    assert AcceptorState(TWO, NO_BALLOT, None) == acceptor.state


def test_a_question_again_gets_its_answer_again_and_writes_nothing() -> None:
    acceptor = Acceptor()
    for message in (Prepare(ONE), Accept(ONE, b"red")):
        first, second = acceptor.receive(message), acceptor.receive(message)

        assert first.write is not None
        assert second.write is None
        assert first.reply == second.reply


def test_an_accept_that_nobody_prepared_here_is_accepted_and_binds_like_a_promise() -> None:
    acceptor = Acceptor()
    acceptor.receive(Accept(TWO, b"red"))

    assert AcceptorState(TWO, TWO, b"red") == acceptor.state
    assert Refused(ONE, TWO) == acceptor.receive(Prepare(ONE)).reply


# --- the proposer ---


def test_the_value_accepted_in_the_highest_ballot_of_the_quorum_is_proposed() -> None:
    proposer = Proposer(1, ("a1", "a2", "a3", "a4", "a5"), b"mine", durable_round=4)
    ballot = proposer.begin().ballot
    assert proposer.receive("a1", Promise(ballot, ONE, b"old")) is None
    assert proposer.receive("a2", Promise(ballot, THREE, b"newer")) is None

    assert Accept(Ballot(5, 1), b"newer") == proposer.receive("a3", Promise(ballot, NO_BALLOT, None))


def test_promises_of_one_acceptor_and_of_strangers_are_no_quorum() -> None:
    proposer = Proposer(1, ACCEPTORS, b"mine")
    promise = Promise(proposer.begin().ballot, NO_BALLOT, None)

    assert [None, None, None] == [proposer.receive(name, promise) for name in ("a1", "a1", "z9")]
    assert proposer.receive("a2", promise) is not None


def test_a_late_promise_changes_nothing_of_the_ballot_s_one_value() -> None:
    proposer = Proposer(1, ACCEPTORS, b"mine", durable_round=4)
    ballot = proposer.begin().ballot
    proposer.receive("a1", Promise(ballot, NO_BALLOT, None))
    proposer.receive("a2", Promise(ballot, NO_BALLOT, None))

    assert proposer.receive("a3", Promise(ballot, ONE, b"old")) is None


def test_after_a_restart_a_proposer_begins_above_its_durable_round() -> None:
    before = Proposer(1, ACCEPTORS, b"mine")
    before.begin()

    assert Ballot(2, 1) == Proposer(1, ACCEPTORS, b"other", durable_round=before.round).begin().ballot


def test_promises_for_a_life_before_the_restart_count_for_nothing() -> None:
    before = Proposer(1, ACCEPTORS, b"mine")
    promise = Promise(before.begin().ballot, NO_BALLOT, None)
    after = Proposer(1, ACCEPTORS, b"other", durable_round=before.round)

    assert [None, None, None] == [after.receive(name, promise) for name in ACCEPTORS]


def test_a_refusal_lifts_the_next_ballot_above_what_was_promised() -> None:
    proposer = Proposer(1, ACCEPTORS, b"mine")
    ballot = proposer.begin().ballot

    assert Prepare(Ballot(8, 1)) == proposer.receive("a1", Refused(ballot, Ballot(7, 2)))


# --- the learner ---


def test_votes_of_different_ballots_are_not_added_up_even_for_one_value() -> None:
    learner = Learner(3)
    learner.receive("a1", Accepted(ONE, b"red"))
    learner.receive("a2", Accepted(THREE, b"red"))
    learner.receive("a2", Accepted(THREE, b"red"))

    assert learner.chosen is None


# --- random lives ---


def test_random_lives_choose_one_value() -> None:
    rooms = [run(seed) for seed in range(5_000)]

    assert sum(bool(room.chosen) for room in rooms) > 2_500
    assert sum(room.learner.chosen is not None for room in rooms) > 1_500


class AcceptsTheOld(Acceptor):
    def _is_too_old(self, ballot: Ballot) -> bool:
        return False


class ProposesItsOwn(Proposer):
    def _value_to_propose(self) -> bytes:
        return self.value


class ProposesAnyAccepted(Proposer):
    def _value_to_propose(self) -> bytes:
        return next((promise.value for promise in self._promises.values() if promise.value is not None), self.value)


class HalfIsAQuorum(Proposer):
    def _is_quorum(self, count: int) -> bool:
        return count >= max(1, majority(len(self.acceptors)) - 1)


class AddsUpBallots(Learner):
    def receive(self, sender: str, message: Accepted) -> None:
        super().receive(sender, Accepted(NO_BALLOT, message.value))


@dataclass(frozen=True)
class Without:
    safeguard: str
    cast: Cast
    seen: str


ABLATIONS = [
    Without("acceptor state is durable before the answer", Cast(acceptors_persist=False), "chosen|votes twice|voted for"),
    Without("nothing below the promise is accepted", Cast(acceptor=AcceptsTheOld), "forgets its promise|voted for|chosen"),
    Without("the value of the highest ballot is proposed", Cast(proposer=ProposesItsOwn), "voted for|chosen"),
    Without("of the highest, not of any", Cast(proposer=ProposesAnyAccepted), "voted for|chosen"),
    Without("quorums intersect", Cast(proposer=HalfIsAQuorum), "voted for|taken for chosen"),
    Without("a proposer's round is durable", Cast(rounds_persist=False), "two values in"),
    Without("votes count by ballot", Cast(learner=AddsUpBallots), "taken for chosen"),
]


@pytest.mark.parametrize("without", ABLATIONS, ids=lambda without: without.safeguard)
def test_without_the_safeguard_a_random_life_breaks_an_invariant(without: Without) -> None:
    def lives() -> None:
        for seed in range(2_000):
            run(seed, without.cast)

    with pytest.raises(AssertionError, match=without.seen):
        lives()


def test_broken_is_what_the_room_raises() -> None:
    with pytest.raises(Broken):
        for seed in range(2_000):
            run(seed, Cast(proposer=ProposesItsOwn))
