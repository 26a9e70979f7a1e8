"""A member's number names the origins of one disk's proposals, and is never given again (protocols/core/values)."""

from quorate.protocols.core import NUMBER_MAX, AddLearner, Change, Configuration, Member, Remove
from tests.protocols.raft_cluster import Cluster


def change(cluster: Cluster, what: Change) -> None:
    cluster.cores["n1"].reconfigure(what, cluster.token())
    cluster.settle()


def test_a_number_names_one_disk_as_long_as_the_group_lives() -> None:
    """A new disk counts its incarnations from 1: under a former member's number it would name its proposals as that one did."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.settle()
    change(cluster, Remove("n3"))
    change(cluster, AddLearner(Member("n4", 4)))
    change(cluster, Remove("n4"))
    for member in (Member("n4", 4), Member("n5", 3), Member("n5", 2)):
        change(cluster, AddLearner(member))
    told = [refused.detail for refused in cluster.seen["n1"].refused]
    change(cluster, AddLearner(Member("n5", 5, "disk")))
    change(cluster, AddLearner(Member("n5", 5, "another disk")))

    former = "number {} belonged to a former member; 5 is free"
    assert [former.format(4), former.format(3), "number 2 belongs to n2; 5 is free"] == told
    assert "number 5 belongs to the disk that it had before; 6 is free" == cluster.seen["n1"].refused[-1].detail
    assert (3, 4) == cluster.cores["n2"].configuration.former


def test_the_former_numbers_last_through_the_log_and_end_with_the_last_free_one() -> None:
    given = Configuration(tuple(Member(f"n{number}", number) for number in range(1, NUMBER_MAX + 1)))
    fewer = given.without("n255").without("n7").with_member(Member("n8", 8, voter=False))

    assert (7, 255) == fewer.former
    assert fewer == Configuration.decode(fewer.encode(), 0)
    assert (None, None) == (given.free_number, fewer.free_number)
    assert 9 == Configuration((Member("n1", 1),), former=(8,)).free_number
    assert 2 == Configuration((Member("n1", 1),), former=(NUMBER_MAX,)).free_number
    assert 1 == Configuration().free_number
