"""Raft replication: log matching, conflict hints, pipelining, windows, commit. Ongaro's thesis 3.5, 3.6.2, 3.8, 10.2.1."""

from quorate.protocols.core import Entry, Kind, Reason
from quorate.protocols.log import pack
from quorate.protocols.raft import HardState, RaftOptions
from quorate.protocols.raft.messages import Append, Appended, Commit, Heartbeat, HeartbeatReply, Rejected
from quorate.protocols.terms.roles import Leader
from tests.protocols.raft_cluster import Cluster, appends


def led(*names: str, options: RaftOptions | None = None) -> Cluster:
    """A cluster at rest, led by its first node in term 1, its no-op committed."""
    cluster = Cluster(*names, options=options)
    cluster.elect(names[0])
    cluster.settle()
    return cluster


def with_log(cluster: Cluster, name: str, *terms: int, term: int | None = None) -> None:
    """Restart a node with such a log on its disk."""
    if name in cluster.cores:
        cluster.crash(name)
    disk = cluster.disks[name]
    disk.entries = {index: Entry(index, at, 0, 0, b"%d" % index) for index, at in enumerate(terms, 1)}
    disk.promise = HardState(max(terms, default=0) if term is None else term, "")
    cluster.restart(name)


def test_a_proposal_commits_everywhere_with_its_origin_and_data() -> None:
    cluster = led("n1", "n2", "n3")
    token = cluster.put("n1", b"x")

    for name in cluster.cores:
        assert Entry(2, 1, token, Kind.COMMAND, b"x") == cluster.seen[name].committed[-1]


def test_followers_learn_of_a_commit_at_once_without_further_traffic() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"x")

    assert [2, 2, 2] == [core.state.commit for core in cluster.cores.values()]


def test_a_leader_sends_appends_before_its_own_log_is_durable_but_counts_itself_only_after() -> None:
    """10.2.1: the leader may write to its disk in parallel with replicating."""
    cluster = led("n1", "n2", "n3")
    cluster.held.add("n1")
    cluster.blocked |= {("n3", "n1")}
    cluster.propose("n1", b"x")
    cluster.settle()
    assert 2 == cluster.cores["n2"].state.log.last
    assert 1 == cluster.cores["n1"].state.commit
    cluster.sync("n1")
    cluster.settle()

    assert 2 == cluster.cores["n1"].state.commit


def test_a_majority_of_others_commits_while_the_leaders_disk_is_slow() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.held.add("n1")
    cluster.propose("n1", b"x")
    cluster.settle()

    assert 2 == cluster.cores["n1"].state.commit
    assert 1 == cluster.cores["n1"].state.log.durable


def test_a_follower_acknowledges_only_what_is_durable() -> None:
    """3.8."""
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n3")
    cluster.held.add("n2")
    cluster.propose("n1", b"x")
    cluster.settle()
    assert 1 == cluster.cores["n1"].state.commit
    cluster.sync("n2")
    cluster.held.clear()
    cluster.settle()

    assert 2 == cluster.cores["n1"].state.commit


def test_a_heartbeat_is_answered_while_the_disk_is_busy() -> None:
    """10.2.1; the ack of the entries still waits."""
    cluster = led("n1", "n2", "n3")
    cluster.held.add("n2")
    cluster.propose("n1", b"x")
    cluster.settle()
    cluster.sent.clear()
    cluster.tick(10, only=("n1",))

    answers = [message for sender, _, message in cluster.sent if sender == "n2"]
    assert [HeartbeatReply] == [type(message) for message in answers]


def test_nothing_commits_without_a_majority() -> None:
    cluster = led("n1", "n2", "n3", "n4", "n5")
    for name in ("n3", "n4", "n5"):
        cluster.isolate(name)
    cluster.put("n1", b"x")

    assert 1 == cluster.cores["n1"].state.commit


def test_figure_8_an_entry_of_an_older_term_is_not_committed_by_counting() -> None:
    """3.6.2, figure 3.7 (figure 8 of the paper): (c) the entry of term 2 is on a majority, and may yet be overwritten (d).

    1. n1, its log ending in term 2, is elected in term 4. 2. All others acknowledge the entry of term 2, none the no-op of
    term 4. 3. Two of them acknowledge the no-op.
    """
    cluster = Cluster("n1", "n2", "n3", "n4", "n5")
    for name, terms in (("n1", (1, 2)), ("n2", (1, 2)), ("n3", (1,)), ("n4", (1,)), ("n5", (1, 3))):
        with_log(cluster, name, *terms, term=3)
    cluster.crash("n5")
    core = cluster.cores["n1"]
    cluster.stop_at(lambda: isinstance(core.state.role, Leader), timer_of="n1")
    cluster.take("n1")
    assert [(1, 1), (2, 2), (3, 4)] == cluster.log("n1")
    for name in ("n2", "n3", "n4"):
        core.receive(name, Appended(4, 2, 1))
    cluster.take("n1")
    assert 0 == core.state.commit
    for name in ("n2", "n3"):
        core.receive(name, Appended(4, 3, 1))
    cluster.take("n1")

    assert 3 == core.state.commit


def test_a_divergent_suffix_is_replaced_and_reported_superseded() -> None:
    """3.5; design, "Outcomes": only when another entry is committed in its place is a proposal definitely without effect."""
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n1")
    lost = [cluster.propose("n1", b"lost %d" % number) for number in range(3)]
    cluster.tick(400)
    leader = cluster.run_until_leader()
    assert leader != "n1"
    cluster.put(leader, b"kept")
    assert not cluster.seen["n1"].refused
    cluster.heal()
    cluster.tick(30)

    refused = [(refused.token, refused.reason) for refused in cluster.seen["n1"].refused]
    # What stands at the third place is not committed yet: its fate is open.
    assert [(token, Reason.SUPERSEDED) for token in lost[:2]] == refused
    cluster.put(leader, b"more")
    refused = [(refused.token, refused.reason) for refused in cluster.seen["n1"].refused]
    assert [(token, Reason.SUPERSEDED) for token in lost] == refused
    assert [b"kept", b"more"] == cluster.commands("n1")
    assert {entry.index: entry.term for entry in cluster.cores["n1"].state.log.entries} == {
        index: entry.term for index, entry in cluster.disks["n1"].entries.items()
    }


def test_figure_7_every_kind_of_divergent_log_is_made_equal() -> None:
    """Figure 3.6 of the thesis (figure 7 of the paper): followers (a) to (f) under the leader of term 8."""
    leader = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
    others = {
        "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
        "b": (1, 1, 1, 4),
        "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
        "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
        "e": (1, 1, 1, 4, 4, 4, 4),
        "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
    }
    cluster = Cluster("L", *others)
    with_log(cluster, "L", *leader, term=7)
    for name, terms in others.items():
        with_log(cluster, name, *terms, term=7)
    cluster.elect("L")
    cluster.tick(30)

    expected = list(enumerate((*leader, 8), 1))
    assert all(expected == cluster.log(name) for name in cluster.cores)
    assert all(11 == core.state.commit for core in cluster.cores.values())


def test_the_hint_skips_a_whole_conflicting_term_at_a_time() -> None:
    """3.5: the conflicting term and its first index."""
    cluster = Cluster("n1", "n2", "n3")
    with_log(cluster, "n1", *[1] * 5, *[4] * 50, term=4)
    with_log(cluster, "n2", *[1] * 5, *[2] * 30, *[3] * 30, term=4)
    cluster.isolate("n3")
    cluster.blocked.discard(("n3", "n1"))
    core = cluster.cores["n2"]
    core.receive("n1", Append(5, 55, 4, 0, 1, b""))
    cluster.take("n2")
    reply = cluster.wire.pop()[2]

    assert Rejected(5, 55, 3, 36, 1) == reply
    core.receive("n1", Append(5, 35, 4, 0, 1, b""))
    cluster.take("n2")
    assert Rejected(5, 35, 2, 6, 1) == cluster.wire.pop()[2]
    core.receive("n1", Append(5, 99, 4, 0, 1, b""))
    cluster.take("n2")
    assert Rejected(5, 99, 0, 66, 1) == cluster.wire.pop()[2]


def test_a_suffix_that_matches_is_never_truncated_by_a_late_append() -> None:
    """3.5: 1. Appends of 2 and of 3-4 arrive and are acknowledged. 2. The first arrives again."""
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"a")
    late = appends(cluster, "n1", "n2")[-1]
    cluster.put("n1", b"b")
    before = cluster.log("n2")
    cluster.cores["n2"].receive("n1", late)
    effects = cluster.cores["n2"].take()
    assert effects is not None

    assert effects.truncate is None
    assert before == cluster.log("n2")


def test_a_stale_append_of_an_older_term_changes_nothing_and_is_answered_with_the_term() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n2"].elections.heard = None
    cluster.cores["n2"].tick()
    cluster.cores["n2"].tick(100)
    cluster.cores["n2"].state.set_term(5, "")
    before = cluster.log("n2")
    cluster.cores["n2"].receive("n1", Append(1, 0, 0, 9, 1, pack([Entry(1, 1, 0, 0, b"stale")])))
    cluster.take("n2")

    assert before == cluster.log("n2")
    answer = cluster.wire.pop()[2]
    assert isinstance(answer, Rejected)
    assert 5 == answer.term


def test_a_commit_index_is_believed_only_as_far_as_the_log_is_known_to_match() -> None:
    """Figure 3.1: the minimum of leaderCommit and the last *new* entry's index."""
    cluster = Cluster("n1", "n2", "n3")
    with_log(cluster, "n2", 1, 1, 1, 1, term=1)
    cluster.cores["n2"].receive("n1", Append(2, 1, 1, 4, 1, pack([Entry(2, 1, 0, 0, b"")])))

    assert 2 == cluster.cores["n2"].state.commit


def test_heartbeats_and_commit_notices_never_promise_more_than_was_acknowledged() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.blocked |= {("n2", "n1")}
    cluster.sent.clear()
    cluster.put("n1", b"x")
    cluster.tick(20)

    told = [message for _, to, message in cluster.sent if to == "n2" and isinstance(message, Heartbeat | Commit)]
    assert {1} == {message.commit if isinstance(message, Heartbeat) else message.index for message in told}


def test_a_truncation_meets_its_entries_before_they_were_handed_to_the_log() -> None:
    """Entries appended and truncated within one turn are never written."""
    cluster = led("n1", "n2", "n3")
    core = cluster.cores["n2"]
    core.receive("n1", Append(1, 1, 1, 1, 1, pack([Entry(2, 1, 0, 0, b"a"), Entry(3, 1, 0, 0, b"b")])))
    core.receive("n3", Append(2, 2, 1, 1, 1, pack([Entry(3, 2, 0, 0, b"c")])))
    effects = core.take()
    assert effects is not None

    assert effects.truncate is None
    assert [b"a", b"c"] == [entry.data for entry in effects.entries]
    assert pack(effects.entries) == effects.packed


def test_a_crash_between_write_and_sync_loses_nothing_that_was_acknowledged() -> None:
    """1. n2 acknowledged entry 2. 2. Entry 3 is written, not synced. 3. n2 crashes."""
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"a")
    cluster.held.add("n2")
    cluster.put("n1", b"b")
    cluster.crash("n2")
    cluster.held.clear()
    cluster.restart("n2")
    assert [(1, 1), (2, 1)] == cluster.log("n2")
    cluster.tick(30)

    assert [b"a", b"b"] == cluster.commands("n2")


def test_all_crash_and_everything_acknowledged_is_there_again() -> None:
    cluster = led("n1", "n2", "n3")
    for number in range(5):
        cluster.put("n1", b"%d" % number)
    for name in ("n1", "n2", "n3"):
        cluster.crash(name)
    for name in ("n1", "n2", "n3"):
        cluster.restart(name)
    leader = cluster.run_until_leader()
    cluster.tick(20)

    assert 2 == cluster.cores[leader].state.term
    for name in cluster.cores:
        assert [b"0", b"1", b"2", b"3", b"4"] == cluster.commands(name)
