"""Operations to try, for hypothesis and for seeded runs: few keys, few values, few leases, so that they meet."""

from random import Random

from hypothesis import strategies as st

from quorate.cluster.service import commands
from quorate.cluster.service.commands import Operation, Relation, Target
from quorate.cluster.service.limits import CHOSEN_LEASE_ID_MIN

KEYS = [b"a", b"ab", b"abc", b"b", b"b\xff", b"b\xff\xff", b"c", b"\xff", b"\xff\xff"]
LEASES = [CHOSEN_LEASE_ID_MIN, CHOSEN_LEASE_ID_MIN + 1, 1, 2, 3]
RANGES = [(b"", b""), (b"a", b"b"), (b"b", b"a"), commands.prefix(b"b"), commands.prefix(b"\xff"), commands.single(b"ab"), (b"aa", b"")]

keys = st.sampled_from(KEYS)
values = st.sampled_from([b"", b"1", b"22"])
leases = st.sampled_from([0, 0, *LEASES])
ranges = st.sampled_from(RANGES)
revisions = st.integers(0, 40)
limits = st.integers(0, 3)

puts = st.builds(commands.put, keys, values) | st.builds(
    commands.put, keys, values, lease=leases, keep_lease=st.booleans(), previous=st.booleans()
)
deletes = st.builds(commands.delete, keys, previous=st.booleans())
range_deletes = st.builds(
    lambda bounds, limit, previous: commands.delete_range(*bounds, limit=limit, previous=previous), ranges, limits, st.booleans()
)
gets_now = st.builds(commands.get, keys)
ranges_now = st.builds(
    lambda bounds, limit, keys_only, count_only, descending: commands.range(
        *bounds, limit=limit, keys_only=keys_only, count_only=count_only, descending=descending
    ),
    ranges,
    limits,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
swaps = st.builds(commands.compare_and_swap, keys, st.none() | values | st.integers(0, 20), st.none() | values, lease=leases)
relations = st.sampled_from(Relation)
comparisons = st.builds(commands.compare, keys, st.just(Target.VALUE), relations, values) | st.builds(
    commands.compare, keys, st.sampled_from([target for target in Target if target != Target.VALUE]), relations, st.integers(0, 5)
)
inner = st.lists(puts | deletes | range_deletes | gets_now | ranges_now, max_size=5)
transactions = st.builds(commands.transaction, st.lists(comparisons, max_size=2), inner, inner)
grants = st.builds(commands.lease_grant, st.integers(1_000, 1_002), id=st.sampled_from([0, *LEASES[:2]]))
ends = st.builds(commands.lease_revoke, st.sampled_from(LEASES)) | st.builds(
    commands.lease_expire, st.sampled_from(LEASES), st.integers(1, 20), st.integers(1, 2)
)
compactions = st.builds(commands.compact, revisions)

writes = st.one_of(puts, puts, deletes, range_deletes, swaps, transactions, grants, ends)
reads = st.one_of(
    st.builds(commands.get, keys, revision=revisions),
    ranges_now,
    st.builds(
        lambda bounds, limit, revision, descending: commands.range(*bounds, limit=limit, revision=revision, descending=descending),
        ranges,
        limits,
        revisions,
        st.booleans(),
    ),
    st.builds(commands.lease, st.sampled_from(LEASES), keys=st.booleans()),
    st.builds(commands.leases, after=st.sampled_from([0, *LEASES])),
)


def seeded(rng: Random, count: int) -> list[Operation]:
    """A run of writes that touches everything; about one in ten is refused."""
    made: list[Operation] = [commands.lease_grant(5_000), commands.lease_grant(7_000), commands.lease_grant(9_000, id=LEASES[0])]
    while len(made) < count:
        key, value, lease = b"k%d" % rng.randrange(60), rng.randbytes(rng.randrange(40)), rng.choice((0, 0, 1, 2, LEASES[0], 77))
        made.append(
            rng.choice(
                (
                    commands.put(key, value),
                    commands.put(key, value),
                    commands.put(key, value, lease=lease, previous=True),
                    commands.put(key, value, keep_lease=True),
                    commands.delete(key, previous=True),
                    commands.delete_range(*commands.prefix(key), limit=rng.randrange(3)),
                    commands.compare_and_swap(key, None, value, lease=lease),
                    commands.transaction(
                        [commands.absent(key)], [commands.put(key, value)], [commands.delete(key), commands.range(b"", b"")]
                    ),
                    commands.lease_grant(rng.randrange(50, 10_000)),
                    commands.lease_revoke(rng.randrange(1, count)),
                    commands.compact(rng.randrange(count)) if rng.random() < 0.1 else commands.put(b"x", value),
                )
            )
        )
    return made
