"""Leases, members, the leader, snapshots and bench: against a cluster in a thread."""

import asyncio
import json
from random import Random

import pytest

from quorate.cluster.cli import running
from quorate.cluster.cli.bench import Load, Tally, drive
from quorate.cluster.runtime.config import ENGINES
from quorate.cluster.wire.errors import ChangeRefused, Overloaded
from quorate.cluster.wire.rpc import ServerConnection
from tests.cluster.cli.conftest import Command, Served


def test_a_lease_is_granted_listed_renewed_and_revoked(typed: Command) -> None:
    lease = typed("lease", "grant", "30").out.strip()
    typed("put", "k", "v", "--lease", lease)

    assert [lease, "30", "s", "k"] == typed("lease", "list", "--keys").out.splitlines()[1].split()
    assert [{"id": int(lease), "ttl_ms": 30_000, "key_count": 1}] == json.loads(typed("lease", "list", "--json").out)
    assert (0, f"lease {lease} lives for another 30 s\n", "") == typed("lease", "keep-alive", lease, "--once")
    assert (0, f"lease {lease} ended, 1 key deleted\n", "") == typed("lease", "revoke", lease)
    assert "no leases\n" == typed("lease", "list").out


def test_a_lease_that_has_ended_is_a_no(typed: Command) -> None:
    ran = typed("lease", "keep-alive", "77")

    assert 1 == ran.code
    assert "next: `quorate lease list` shows those that are alive" in ran.err
    assert 1 == typed("lease", "revoke", "77").code


def test_members_are_listed(typed: Command) -> None:
    lines = typed("member", "list").out.splitlines()

    assert ["n1", "1", "voter", "leads", "0"] == lines[1].split()[:5]
    assert 4 == len(lines)
    assert ["n1", "n2", "n3"] == [member["name"] for member in json.loads(typed("member", "list", "--json").out)]
    assert [True, False, False] == [member["leads"] for member in json.loads(typed("member", "list", "--json").out)]


def test_a_new_node_is_asked_who_it_is_and_added(typed: Command, served: Served) -> None:
    served.do(lambda: served.cluster.member_names.discard("n3"))

    ran = typed("member", "add", "n3", "--client", served.cluster["n3"].address)

    assert (0, "n3 is a member; it votes as soon as it has caught up (`quorate member list`).\n") == (ran.code, ran.out)
    [(_, change)] = served.cluster["n1"].asked("reconfigure")
    assert isinstance(change, list)
    assert ["add", "n3", served.cluster.free_number, "disk-n3", True] == change[:5]


def test_a_node_that_calls_itself_otherwise_is_not_added(typed: Command, served: Served) -> None:
    ran = typed("member", "add", "n9", "--client", served.cluster["n3"].address)

    assert 2 == ran.code
    assert "calls itself 'n3', not 'n9'" in ran.err
    assert [] == served.cluster["n1"].asked("reconfigure")


def test_members_are_promoted_and_removed(typed: Command, served: Served) -> None:
    assert (0, "n2 votes now.\n") == typed("member", "promote", "n2")[:2]
    assert 0 == typed("member", "remove", "n2").code

    assert [["promote", "n2"], ["remove", "n2"]] == [change for _, change in served.cluster["n1"].asked("reconfigure")]


def test_a_change_that_is_refused_says_where_to_look(typed: Command, served: Served) -> None:
    served.do(lambda: served.cluster["n1"].errors.append(ChangeRefused("n2 has not caught up")))

    ran = typed("member", "promote", "n2")

    assert (5, "error: n2 has not caught up\n  next: `quorate member list` shows the members and how far they are\n") == (ran.code, ran.err)


def test_a_wiped_node_is_taken_out_and_added_with_its_new_disk(typed: Command, served: Served) -> None:
    def identity(connection: ServerConnection, id: int) -> None:
        connection.reply(id, {"node": "n2", "cluster": "c1", "storage": "fresh"})

    served.do(lambda: served.cluster["n2"].handlers.update(identity=identity))

    assert 0 == typed("member", "replace", "n2").code

    changes = [change for _, change in served.cluster["n1"].asked("reconfigure") if isinstance(change, list)]
    assert [["remove", "n2"], ["add", "n2", 4, "fresh", True]] == [change[:5] for change in changes]


def test_a_node_that_still_has_its_disk_is_not_replaced(typed: Command, served: Served) -> None:
    ran = typed("member", "replace", "n2")

    assert (5, True) == (ran.code, "still has the disk" in ran.err)
    assert [] == served.cluster["n1"].asked("reconfigure")


@pytest.mark.parametrize("knows", [True, False])
def test_a_replacement_that_failed_between_its_two_changes_says_what_to_run(typed: Command, served: Served, knows: bool) -> None:
    """The removal is made; then n2 is refused as a learner, and with `knows=False` nobody leads who could say how far it came."""
    cluster = served.cluster

    def reconfigure(connection: ServerConnection, id: int, group: str, change: list[object]) -> None:
        if change[0] == "remove":
            cluster.member_names.discard("n2")
            connection.reply(id, None)
            return
        if not knows:
            cluster.lead(None)
            cluster["n1"].handlers["status"] = lambda connection, id: None
        raise ChangeRefused("another change is under way")

    before = json.loads(typed("member", "list", "--json").out)[1]
    served.do(lambda: cluster["n1"].handlers.update(reconfigure=reconfigure))
    served.do(lambda: cluster["n2"].handlers.update(identity=lambda connection, id: connection.reply(id, {"node": "n2", "storage": "new"})))

    ran = typed("member", "replace", "n2", "--timeout", "0.5")

    add = f"`quorate member add n2 --client {before['client_address']}`"
    expected = (
        f"uncertain: n2 was taken out, but not added again: another change is under way\n  next: {add}\n"
        if knows
        else f"uncertain: n2 may be taken out: another change is under way\n  next: if `quorate member list` is without n2: {add}\n"
    )
    assert (4, "", expected) == ran


def test_a_replacement_that_did_not_begin_is_an_ordinary_error(typed: Command, served: Served) -> None:
    served.do(
        lambda: served.cluster["n2"].handlers.update(identity=lambda connection, id: connection.reply(id, {"node": "n2", "storage": "new"}))
    )
    served.do(lambda: served.cluster["n1"].errors.append(ChangeRefused("another change is under way")))

    assert (5, "error: another change is under way") == ((ran := typed("member", "replace", "n2")).code, ran.err.splitlines()[0])


def test_a_node_whose_address_nobody_knows_is_not_added(typed: Command) -> None:
    ran = typed("member", "add", "n9")

    assert (2, "error: where does n9 run? give its client address: `quorate member add n9 --client HOST:PORT`\n") == (ran.code, ran.err)


def test_the_leader_is_named_and_hands_over(typed: Command, served: Served) -> None:
    assert (0, f"n1 at {served.cluster['n1'].address}, term 1\n", "") == typed("leader")
    assert (0, "n2 leads now, term 2\n", "") == typed("leader", "transfer", "n2")
    assert {"leader": "n2", "address": served.cluster["n2"].address, "term": 2} == json.loads(typed("leader", "--json").out)


def test_nobody_leads_is_3(typed: Command, served: Served) -> None:
    served.do(lambda: served.cluster.lead(None))

    assert 3 == typed("leader", "--timeout", "0.3").code


def test_a_snapshot_of_one_node(typed: Command) -> None:
    assert (0, "snapshot s-n2 up to index 0 (term 1), 10 bytes\n", "") == typed("snapshot", "n2")


def test_bench_counts_what_it_did(typed: Command) -> None:
    figures = json.loads(typed("bench", "mixed", "--ops", "50", "--in-flight", "4", "--json").out)

    assert (50, 4, {}) == (figures["operations"], figures["in_flight"], figures["errors"])
    text = typed("bench", "get", "--ops", "10").out
    assert text.startswith("10 get in ") and "p99" in text


async def test_a_load_keeps_so_many_in_flight_and_counts_failures() -> None:
    running = peak = calls = 0

    async def operation(rng: Random, keys: int) -> None:
        nonlocal running, peak, calls
        running += 1
        calls += 1
        peak = max(peak, running)
        failing = calls == 3
        await asyncio.sleep(0)
        running -= 1
        if failing:
            raise Overloaded

    tally = await drive(Load("put", 20, 0, 5, 10, b""), operation)

    assert (20, 5) == (calls, peak)
    assert (19, {"Overloaded": 1}) == (len(tally.latencies_ms), tally.errors)


def test_quantiles_are_by_rank() -> None:
    tally = Tally([float(number) for number in range(100)], seconds=2.0)

    assert (50.0, 99.0, 99.0, 50.0) == (tally.quantile(0.5), tally.quantile(0.99), tally.quantile(1.0), tally.rate)
    assert 0.0 == Tally().quantile(0.5)


def test_a_promotion_by_hand_has_to_be_meant(typed: Command, served: Served) -> None:
    ran = typed("member", "promote-by-hand", "n2")

    assert 2 == ran.code
    assert "loses every acknowledged write that this node has not" in ran.err
    assert "DANGER" in typed("member", "promote-by-hand", "--help").out
    assert [] == served.cluster["n2"].asked("reconfigure")


def test_a_promotion_by_hand_is_asked_of_that_node(typed: Command, served: Served) -> None:
    def promoted(connection: ServerConnection, id: int, group: str, change: list[object]) -> None:
        connection.reply(id, None)

    served.do(lambda: served.cluster["n2"].handlers.update(reconfigure=promoted))
    ran = typed("member", "promote-by-hand", "n2", "--lose-writes")

    assert (0, "n2 is the primary now. What it had not is lost; a former primary that comes back drops it and follows.\n") == ran[:2]
    assert [["promote_by_hand", "n2"]] == [change for _, change in served.cluster["n2"].asked("reconfigure")]
    assert [] == served.cluster["n1"].asked("reconfigure")


def test_up_warns_of_the_engine_that_loses_writes_and_of_no_other() -> None:
    said: list[str] = []
    for engine in ENGINES:
        running._warn(engine, said.append)

    assert 1 == len(said)
    assert "warning: logship is log shipping, no consensus: it LOSES ACKNOWLEDGED WRITES" in said[0]
