"""The replica: every request gets exactly one answer, and a promise is never made too early. Everything is stepped by hand."""

from pathlib import Path

import pytest

from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.replica import BACKLOG_MAX, DEPOSED_MS, PROPOSAL_MS_MAX, WAITING_MAX
from quorate.cluster.wire.errors import (
    ChangeRefused,
    NotLeader,
    Overloaded,
    QuorateError,
    Superseded,
    TooLarge,
    Uncertain,
)
from quorate.protocols.core import (
    COUNTER_MAX,
    Configuration,
    Entry,
    Kind,
    Member,
    Note,
    Progress,
    ReadReady,
    Reason,
    Refused,
    Remove,
    origin,
)
from tests.cluster.runtime.world import MEMBERS, Answers, World


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return await World(tmp_path).begin()


@pytest.fixture
def answers() -> Answers:
    return Answers()


async def refuse(world: World, reason: Reason, token: int) -> None:
    effects = world.effects()
    effects.refused = [Refused(token, reason)]
    await world.turn(effects)


# Proposals.


async def test_a_proposal_is_answered_by_the_result_of_its_own_entry(world: World, answers: Answers) -> None:
    world.replica.propose_for(answers, 1, b"mine")
    token = world.core.token()
    await world.commit(Entry(1, 1, token + 1, Kind.COMMAND, b"theirs"))

    assert {} == answers.replies

    await world.commit(Entry(2, 1, token, Kind.COMMAND, b"mine"))

    assert {1: b"2"} == answers.replies


async def test_origins_name_the_node_and_its_life_and_are_never_given_twice(world: World, answers: Answers) -> None:
    world.replica.propose_for(answers, 1, b"a")
    world.replica.propose_for(answers, 2, b"b")

    assert [origin(1, 7, 1), origin(1, 7, 2)] == [token for _, token in world.core.all("propose")]


async def test_when_the_counter_is_used_up_a_new_life_begins(world: World, answers: Answers) -> None:
    world.replica._next_origin = origin(1, 7, COUNTER_MAX)
    world.replica.propose_for(answers, 1, b"a")

    assert origin(1, 8, 1) == world.core.token()


async def test_a_node_that_gets_its_old_number_back_repeats_no_origin(world: World, answers: Answers) -> None:
    """
    1. Number 1 proposes; its entry lingers in somebody's log.
    2. The node is taken out and comes back as number 9, then once more as number 1, all in one life.
    3. Its next proposal must not be answered by the old entry.
    """
    world.replica.propose_for(answers, 1, b"old")
    first = world.core.token()
    for index, number in ((5, 9), (6, 1)):
        world.core.configuration = Configuration((Member("n1", number), Member("n2", 2)), index)
        effects = world.effects()
        effects.notes = [Note("configuration_appended", {})]
        await world.turn(effects)
    world.replica.propose_for(answers, 2, b"new")

    assert first != world.core.token()
    assert first >> 56 == world.core.token() >> 56


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.NOT_LEADER, NotLeader),
        (Reason.SUPERSEDED, Superseded),
        (Reason.TOO_LARGE, TooLarge),
        (Reason.OVERLOADED, Overloaded),
        (Reason.TRANSFER_FAILED, ChangeRefused),
    ],
)
async def test_a_refusal_of_the_core_is_a_definite_error(world: World, answers: Answers, reason: Reason, kind: type[QuorateError]) -> None:
    world.replica.propose_for(answers, 1, b"a")
    await refuse(world, reason, world.core.token())

    assert type(answers.errors[1]) is kind
    assert answers.errors[1].definite


async def test_who_asks_a_follower_is_told_where_the_leader_is(world: World, answers: Answers) -> None:
    world.core.leader = "n2"
    world.replica.propose_for(answers, 1, b"a")
    await refuse(world, Reason.NOT_LEADER, world.core.token())
    error = answers.errors[1]

    assert isinstance(error, NotLeader)
    assert ("n2", "n2:80") == (error.leader, error.address)


async def test_a_proposal_without_an_outcome_is_uncertain_in_the_end_and_answered_once(world: World, answers: Answers) -> None:
    world.replica.propose_for(answers, 1, b"a")
    token = world.core.token()
    for _ in range(PROPOSAL_MS_MAX // 1_000):
        world.look(1_000)

    assert {} == answers.errors

    for _ in range(2):
        world.look(1_000)
    await world.commit(Entry(1, 1, token, Kind.COMMAND, b"a"))

    assert isinstance(answers.errors[1], Uncertain)
    assert {} == answers.replies


async def leads(world: World, leader: str) -> None:
    world.core.leader = leader
    effects = world.effects()
    effects.notes = [Note("became", {})]
    await world.turn(effects)


async def test_what_a_deposed_leader_had_proposed_is_soon_called_uncertain_unless_it_commits_under_the_next(
    world: World, answers: Answers
) -> None:
    """A client behind a cut-off leader tries again where somebody leads, instead of waiting for its own deadline."""
    await leads(world, "n1")
    world.replica.propose_for(answers, 1, b"a")
    world.replica.propose_for(answers, 2, b"b")
    committed = world.core.all("propose")[0][1]
    await leads(world, "n2")
    world.replica.propose_for(answers, 3, b"of the next life")
    await world.commit(Entry(1, 1, committed, Kind.COMMAND, b"a"))
    world.look(DEPOSED_MS - 1)

    assert {} == answers.errors

    world.look(1)

    assert {1: b"1"} == answers.replies
    assert [2] == list(answers.errors)
    assert isinstance(answers.errors[2], Uncertain)


async def test_a_clock_set_back_does_not_stop_the_waiting_from_ending(world: World, answers: Answers) -> None:
    world.replica.propose_for(answers, 1, b"a")
    world.look(-3_600_000)
    for _ in range(PROPOSAL_MS_MAX // 1_000 + 2):
        world.look(1_000)

    assert isinstance(answers.errors[1], Uncertain)


async def test_a_node_with_too_much_waiting_is_overloaded_at_once(world: World, answers: Answers) -> None:
    for id in range(WAITING_MAX):
        world.replica.propose_for(answers, id, b"a")
    with pytest.raises(Overloaded):
        world.replica.propose_for(answers, WAITING_MAX, b"a")

    assert WAITING_MAX == len(world.core.all("propose"))


async def test_a_node_that_is_behind_with_applying_is_overloaded_at_once(world: World, answers: Answers) -> None:
    world.applier.enqueue([Entry(index, 1, 0, Kind.COMMAND, b"") for index in range(1, BACKLOG_MAX + 2)])
    with pytest.raises(Overloaded):
        world.replica.propose_for(answers, 1, b"a")


# Reads.


async def test_reads_of_one_turn_share_one_barrier_and_wait_for_its_index(world: World, answers: Answers) -> None:
    await world.commit_words(b"a")
    world.replica.read_for(answers, 1, b"", Consistency.LINEARIZABLE)
    world.replica.read_for(answers, 2, b"", Consistency.LINEARIZABLE)
    await world.turn()
    [(token, lease)] = world.core.all("read")
    effects = world.effects()
    assert isinstance(token, int)
    effects.reads = [ReadReady(token, 2)]
    await world.turn(effects)

    assert not lease
    assert {} == answers.replies, "the barrier is passed, but its index is not applied"

    await world.commit_words(b"b")

    assert {1: b"a b", 2: b"a b"} == answers.replies


async def test_a_lease_read_says_so_and_a_local_one_asks_nobody(world: World, answers: Answers) -> None:
    await world.commit_words(b"a")
    world.replica.read_for(answers, 1, b"", Consistency.LOCAL)
    world.replica.read_for(answers, 2, b"", Consistency.LEADER)
    await world.turn()

    assert {1: b"a"} == answers.replies
    assert [True] == [lease for _, lease in world.core.all("read")]


async def test_a_refused_barrier_refuses_all_its_reads(world: World, answers: Answers) -> None:
    world.replica.read_for(answers, 1, b"", Consistency.LINEARIZABLE)
    world.replica.read_for(answers, 2, b"", Consistency.LINEARIZABLE)
    await world.turn()
    await refuse(world, Reason.NOT_LEADER, world.core.token())

    assert {1, 2} == answers.errors.keys()
    assert 0 == world.replica._read_count


async def test_too_many_reads_are_refused_and_places_become_free_again(world: World, answers: Answers) -> None:
    for id in range(WAITING_MAX):
        world.replica.read_for(answers, id, b"", Consistency.LINEARIZABLE)
    with pytest.raises(Overloaded):
        world.replica.read_for(answers, WAITING_MAX, b"", Consistency.LINEARIZABLE)
    await world.turn()
    await refuse(world, Reason.NOT_LEADER, world.core.token())
    world.replica.read_for(answers, WAITING_MAX + 1, b"", Consistency.LINEARIZABLE)

    assert WAITING_MAX == len(answers.errors)


async def test_reads_that_passed_their_barrier_and_wait_for_the_state_count_too(world: World, answers: Answers) -> None:
    """While a snapshot is restored barriers go on being passed; what waits behind the restoration must be bounded as well."""
    for id in range(WAITING_MAX):
        world.replica.read_for(answers, id, b"", Consistency.LINEARIZABLE)
    await world.turn()
    effects = world.effects()
    effects.reads = [ReadReady(world.core.token(), 1)]
    await world.turn(effects)
    with pytest.raises(Overloaded):
        world.replica.read_for(answers, WAITING_MAX, b"", Consistency.LINEARIZABLE)
    await world.commit_words(b"a")
    world.replica.read_for(answers, WAITING_MAX, b"", Consistency.LINEARIZABLE)

    assert WAITING_MAX == len(answers.replies)


# Changes and hand-over.


async def test_a_change_is_answered_when_it_took_effect(world: World, answers: Answers) -> None:
    world.replica.reconfigure_for(answers, 1, Remove("n3"))
    effects = world.effects()
    effects.done = [world.core.token()]
    await world.turn(effects)

    assert {1: None} == answers.replies


async def test_a_change_that_the_core_forgot_is_uncertain_in_the_end(world: World, answers: Answers) -> None:
    """A deposed leader whose log a snapshot replaces has no outcome to tell."""
    world.replica.reconfigure_for(answers, 1, Remove("n3"))
    for _ in range(PROPOSAL_MS_MAX // 1_000 + 2):
        world.look(1_000)

    assert isinstance(answers.errors[1], Uncertain)


async def test_the_successor_is_the_other_voter_with_most_of_the_log(world: World) -> None:
    world.core.configuration = Configuration((*MEMBERS.members, Member("n4", 4, voter=False)))
    world.core.progress = {name: Progress(match, "replicate") for name, match in (("n1", 99), ("n2", 5), ("n3", 7), ("n4", 99))}

    assert "n3" == world.replica.successor()

    world.core.leader = "n2"
    with pytest.raises(NotLeader):
        world.replica.successor()


async def test_who_does_not_lead_hands_nothing_over(world: World) -> None:
    world.core.leader = "n2"
    await world.replica.hand_over(1.0, lambda peer: True)

    assert [] == world.core.all("transfer")
