"""The bounds of the coordination service, with their reasons.

They are part of the replicated behaviour: a command over a limit is refused by `apply`, on every node alike. Two nodes
with different numbers would part ways, so a number changes only together with the version of the data format.
"""

KEY_BYTES_MAX = 4_096
"""Keys are names; every index entry, event and comparison copies or scans one."""

VALUE_BYTES_MAX = 1_048_576
"""Coordination data, not blobs: one value must never hold up heartbeats on a slow link."""

REQUEST_SIZE_MAX = 2 * VALUE_BYTES_MAX
"""One value and everything around it, or a transaction of smaller ones; well below the wire's frame limit."""

TXN_OPERATIONS_MAX = 512
"""Comparisons and operations of one transaction, both branches: it runs in one piece on every replica."""

DELETED_KEYS_MAX = 10_000
"""Keys that one command may delete: at about 3 microseconds each, 30 ms without a heartbeat. Larger ranges go in pieces."""

LEASE_KEYS_MAX = DELETED_KEYS_MAX
"""Keys on one lease: its expiry deletes them all in one revision."""

LEASES_MAX = 100_000
"""Leases in all: the leader looks at each deadline in memory; a lease is a process, not a key."""

LEASE_TTL_MS_MIN = 100
"""Below the 100 ms at which the leader looks for expired leases a TTL means nothing."""

LEASE_TTL_MS_MAX = 365 * 24 * 3_600_000
"""A year: longer is not a lease, and sums with it stay far below 64 bits."""

CHOSEN_LEASE_ID_MIN = 1 << 53
"""Lease ids that callers choose start here; below are those the log chose (the index of the granting entry)."""

CHOSEN_LEASE_ID_MAX = (1 << 63) - 1
"""A signed 64-bit integer, as other languages have it."""

RANGE_ITEMS_MAX = 5_000
"""Items of one range reply: 2 to 5 ms of work; `more` says that there are others."""

RANGE_BYTES_MAX = 1_048_576
"""Bytes of one range reply (or one item, if that alone is larger), so that one reply never fills a client's window."""

HISTORY_EVENTS_MAX = 100_000
"""Events kept for reads at a revision and for watches that resume: seconds at full load, hours in ordinary use."""

HISTORY_BYTES_MAX = 64 * 1_048_576
"""The same bound in bytes; the history stands in memory and in every snapshot."""

WATCHERS_MAX = 100_000
"""Watchers of one node; each costs about one kilobyte."""

WATCH_EVENTS_MAX = 1_000
"""Events of one batch to a watcher; a revision is split over batches only if it is larger than that."""

WATCH_BYTES_MAX = 1_048_576
"""Bytes of one batch to a watcher (or one event, if that alone is larger)."""

WATCH_SCAN_MAX = 20_000
"""Events of history read in one step for a watcher that lags, about 2 ms."""
