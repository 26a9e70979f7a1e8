"""The state of the key-value model: what is there, and what is known of its revisions.

The rule: a revision that nobody was told is kept as a bound. As a number below zero, -(b + 1), it says "some revision above
b". A result that tells it later fills it in, if it is above the bound. The same holds for versions of keys whose beginning
was not seen: None. Where no result of a history carries revisions or versions, they are left out of the state, so that
states which differ only in them are one.
"""

import operator
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import NamedTuple

from quorate.cluster.verify.models.model import Undecided


class Contradiction(Exception):
    """The result cannot be had in this state."""


class Impossible(Contradiction):
    """Nor in any state that may follow: the store's revision only grows."""


Item = tuple[bytes, object, int, int | None, int]
"""Key, value, revision of the last put, version, revision of the put that created it."""

_RELATIONS: dict[str, Callable[[object, object], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,  # type: ignore[dict-item]
    ">": operator.gt,  # type: ignore[dict-item]
}


_COUNTED = {"mod_revision": 2, "version": 3, "create_revision": 4}
"""Where an item has what a comparison asks for."""


class Store(NamedTuple):
    items: tuple[Item, ...]
    """In the order of their keys."""
    floor: int
    """The store's revision is at least this."""
    counts: bool
    """Whether revisions and versions are kept."""

    @classmethod
    def of(cls, present: Iterable[tuple[bytes, object]], *, counts: bool) -> "Store":
        """What was there before the history: at some revision, put who knows how often."""
        revision, version = (-1, None) if counts else (0, 0)
        return cls(tuple(sorted((key, value, revision, version, revision) for key, value in present)), 0, counts)

    def find(self, key: bytes) -> Item | None:
        position = bisect_left(self.items, (key,))
        if position < len(self.items) and self.items[position][0] == key:
            return self.items[position]
        return None

    def observed(self, key: bytes, heard: object) -> "Store":
        """A client was told that the key is `heard`: None, its value, or (value, revision, version)."""
        found = self.find(key)
        if found is None or heard is None:
            if found is not None or heard is not None:
                raise self._misfit(heard)
            return self
        if not isinstance(heard, tuple):
            if found[1] != heard:
                raise Contradiction
            return self
        value, revision, version = heard
        return self._learned(found, value, revision, version)

    def listed(self, start: bytes, end: bytes, limit: int, heard: tuple[tuple[object, ...], ...], total: int | None) -> "Store":
        """A client was told these items of a range, and how many there are. Fewer than asked for is a reply that was full."""
        low = bisect_left(self.items, (start,))
        high = bisect_left(self.items, (end,)) if end else len(self.items)
        count = max(0, high - low)
        wanted = min(limit, count) if limit else count
        is_full = total is not None and 0 < len(heard) <= wanted
        if (len(heard) != wanted and not is_full) or (total is not None and total != count):
            raise Contradiction
        store = self
        for (key, *told), found in zip(heard, self.items[low:high]):
            if encoded(key) != found[0]:
                raise Contradiction
            store = store.observed(found[0], told[0] if len(told) == 1 else tuple(told))
        return store

    def at_least(self, revision: int | None) -> "Store":
        """A client was told the store's revision."""
        if revision is None or not self.counts:
            return self
        if revision < self.floor:
            raise Impossible
        return self if revision == self.floor else Store(self.items, revision, True)

    def compare(self, target: str, key: bytes, relation: str, operand: object) -> bool | None:
        """Whether a comparison holds; None if the history does not tell."""
        found = self.find(key)
        if target == "value":
            if found is None or type(found[1]) is not type(operand):
                return relation == "!="
            return _RELATIONS[relation](found[1], operand)
        held = 0 if found is None else found[_COUNTED[target]] if self.counts else None
        assert isinstance(held, int | None), found
        bound = -held - 1 if held is not None and held < 0 else 0
        if held is not None and held >= 0:
            return _RELATIONS[relation](held, operand)
        assert isinstance(operand, int), operand
        is_below = operand < bound + (2 if relation == "<" else 1)
        return (relation in ("!=", ">")) if is_below else None

    @staticmethod
    def decide(holds: bool | None, heard: bool | None, reason: str) -> bool:
        """Which way a conditional operation went, as far as the state and the client's answer tell. Undecided if neither does."""
        if holds is None:
            if heard is None:
                raise Undecided(reason)
            return heard
        if heard is not None and heard != holds:
            raise Contradiction
        return holds

    def with_item(self, item: Item) -> "Store":
        position = bisect_left(self.items, (item[0],))
        is_there = position < len(self.items) and self.items[position][0] == item[0]
        return Store((*self.items[:position], item, *self.items[position + is_there :]), self.floor, self.counts)

    def without(self, key: bytes) -> "Store":
        return Store(tuple(item for item in self.items if item[0] != key), self.floor, self.counts)

    def _misfit(self, heard: object) -> Contradiction:
        """An item with this revision is not there, and will not be if another revision would come now."""
        return Impossible() if isinstance(heard, tuple) and heard[1] <= self.floor else Contradiction()

    def _learned(self, found: Item, value: object, revision: int, version: int) -> "Store":
        key, held, held_revision, held_version, created = found
        is_new = held_revision < 0 and revision > -held_revision - 1
        if held != value or not (held_revision == revision or is_new) or (held_version is not None and held_version != version):
            raise self._misfit((value, revision, version))
        if not is_new and held_version is not None:
            return self
        if version == 1 and created < 0:
            created = revision
        store = self.with_item((key, value, revision, version, created))
        return Store(store.items, max(self.floor, revision), True)


class Draft:
    """One write under way: its changes, which share one revision."""

    def __init__(self, base: Store, revision: object) -> None:
        """`revision` as the client was told it, or None."""
        self.store = self._base = base
        self._told = revision if isinstance(revision, int) else None
        self._revision = 0 if not base.counts else self._told if self._told is not None else -(base.floor + 1)
        self._touched: set[bytes] = set()

    def put(self, key: bytes, value: object) -> None:
        self._touched.add(key)
        found = self.store.find(key)
        if not self.store.counts:
            self.store = self.store.with_item((key, value, 0, 0, 0))
        elif found is None:
            self.store = self.store.with_item((key, value, self._revision, 1, self._revision))
        else:
            version = None if found[3] is None else found[3] + 1
            self.store = self.store.with_item((key, value, self._revision, version, found[4]))

    def delete(self, key: bytes) -> bool:
        """True if it was there."""
        self._touched.add(key)
        if self.store.find(key) is None:
            return False
        self.store = self.store.without(key)
        return True

    def delete_range(self, start: bytes, end: bytes, limit: int) -> int:
        """How many there were, at most `limit` unless that is 0."""
        keys = [item[0] for item in self.store.items if item[0] >= start and (not end or item[0] < end)]
        keys = keys[:limit] if limit else keys
        for key in keys:
            self.delete(key)
        return len(keys)

    def done(self) -> Store:
        """The store after it. Contradiction if the revision that the client was told cannot be its."""
        store = self.store
        if not any(self._base.find(key) is not None or store.find(key) is not None for key in self._touched):
            return self._base.at_least(self._told) if store.items == self._base.items else store.at_least(self._told)
        if not store.counts:
            return store
        if self._told is None:
            return Store(store.items, store.floor + 1, True)
        if self._told <= self._base.floor:
            raise Impossible
        return Store(store.items, max(self._told, store.floor), True)


def encoded(key: object) -> bytes:
    """A key as the service has it; keys are ordered as bytes."""
    assert isinstance(key, str | bytes), key
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
