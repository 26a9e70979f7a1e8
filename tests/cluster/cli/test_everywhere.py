"""A change of members in every group: in order, once, and told how far it came."""

from typing import Any

import pytest

from quorate.cluster.cli.everywhere import in_every_group
from quorate.cluster.cli.surroundings import Hinted
from quorate.cluster.wire.errors import ChangeRefused


class Status:
    def __init__(self, groups: list[str]) -> None:
        self.groups = dict.fromkeys(groups)


class Cluster:
    """Groups by name; `done` are those that the change was made in."""

    def __init__(self, *names: str, done: set[str] | None = None, broken: str = "") -> None:
        self.names, self.done, self.broken = list(names), done or set(), broken
        self.asked: list[str] = []

    async def status(self) -> Status:
        return Status(self.names)

    def group(self, name: str) -> "Group":
        return Group(self, name)


class Group:
    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name


async def change(group: Any) -> str:
    name = group.name if isinstance(group, Group) else "the one that was named"
    group_of = group.cluster if isinstance(group, Group) else group
    group_of.asked.append(name)
    if name == group_of.broken:
        raise ChangeRefused("no")
    return name


async def is_done(group: Any) -> bool:
    return group.name in group.cluster.done


async def test_the_default_group_comes_last_and_what_is_done_is_left_alone() -> None:
    cluster = Cluster("default", "users", "orders", "stock", done={"stock"})

    assert "default" == await in_every_group(cluster, "", change, is_done)  # type: ignore[arg-type]
    assert ["orders", "users", "default"] == cluster.asked


async def test_a_named_group_and_an_only_group_are_asked_alone() -> None:
    named, lone = Cluster("default", "users"), Cluster("default")
    await in_every_group(named, "users", change, is_done)  # type: ignore[arg-type]
    await in_every_group(lone, "", change, is_done)  # type: ignore[arg-type]

    assert [["the one that was named"]] * 2 == [named.asked, lone.asked]


async def test_a_change_that_stops_half_way_says_where_and_what_to_do() -> None:
    cluster = Cluster("default", "orders", "users", broken="users")
    with pytest.raises(Hinted) as stopped:
        await in_every_group(cluster, "", change, is_done)  # type: ignore[arg-type]

    assert "done in orders, but not in users: no" == str(stopped.value.error)
    assert "the same command again" in stopped.value.hint
    assert ["orders", "users"] == cluster.asked


async def test_where_nothing_is_done_yet_the_refusal_is_told_as_it_is() -> None:
    cluster = Cluster("default", "orders", broken="orders")
    with pytest.raises(ChangeRefused):
        await in_every_group(cluster, "", change, is_done)  # type: ignore[arg-type]


async def test_where_all_is_done_the_default_group_says_what_it_thinks_of_it() -> None:
    cluster = Cluster("default", "orders", done={"default", "orders"}, broken="default")
    with pytest.raises(ChangeRefused):
        await in_every_group(cluster, "", change, is_done)  # type: ignore[arg-type]
