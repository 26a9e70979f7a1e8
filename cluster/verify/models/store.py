"""The state of the key-value model: what is there, and what is known of its revisions.

The rule: writes that nobody was told the revision of stay in their order, and each has the least revision that it may have.
Below zero, -least stands for it, at every key that it put. Between two revisions that were told these writes can move up by
what is spare there, all those after one by at least as much as it: `ceilings`. So one that is told later bounds those before
and after it, and one with nothing to spare is known. What was there before the history has None for a revision, of its own
for each key. A version is None where the key's beginning was not seen. Where no result of a history carries revisions or
versions, they are left out of the state, so that states which differ only in them are one.
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


Revision = int | None
"""Known; below zero the least that it may be; None for one from before the history."""
Item = tuple[bytes, object, Revision, int | None, Revision]
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

    ceilings: tuple[tuple[int, int], ...] = ()
    """For unknown revisions in their order: (the highest least that this is about, by how much they may move up)."""
    start: int = 0
    """The store's revision before the history is at least this."""

    @classmethod
    def of(cls, present: Iterable[tuple[bytes, object]], *, counts: bool) -> "Store":
        """What was there before the history: at some revision, put who knows how often."""
        revision, version = (None, None) if counts else (0, 0)
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
        return self.closed(revision, revision - self.floor)

    def closed(self, revision: int, spare: int) -> "Store":
        """The store's revision is known: the writes before it have `spare` revisions more than they need."""
        if spare < 0:
            raise Impossible
        if self._is_open():
            return Store(self.items, revision, True, (*self.ceilings, (self.floor, spare)), self.start).tidied()
        return self if revision == self.floor else Store(self.items, revision, True, self.ceilings, self.start)

    def _is_open(self) -> bool:
        """Whether an unknown revision has no ceiling yet."""
        end = self.ceilings[-1][0] if self.ceilings else None
        for _, _, put, _, made in self.items:
            for one in (put, made):
                if (one is None and end is None) or (one is not None and one < 0 and (end is None or -one > end)):
                    return True
        return False

    def tidied(self) -> "Store":
        """With what has nothing to spare filled in, and without ceilings that are about no item any more."""
        if not self.ceilings:
            return self
        items = _renumbered(self.items, lambda least: least if self._spare(least) == 0 else -least)
        held = {one for item in items for one in (item[2], item[4])}
        live = {self._position(-one) for one in held if one is not None and one < 0} | ({0} if None in held else set())
        ceilings = tuple(one for position, one in enumerate(self.ceilings) if position in live)
        return Store(items, self.floor, True, ceilings, self.start)

    def _position(self, least: int) -> int:
        return bisect_left(self.ceilings, (least,))

    def _spare(self, least: int) -> int | None:
        """By how much it may move up; None if nothing says so."""
        position = self._position(least)
        return self.ceilings[position][1] if position < len(self.ceilings) else None

    def _span(self, held: Revision) -> tuple[int, int | None]:
        """The least and the most that it may be."""
        if held is not None and held >= 0:
            return held, held
        least = self.start if held is None else -held
        spare = self._spare(least)
        return (1 if held is None else least), None if spare is None else least + spare

    def numbered(self, key: bytes, place: int, revision: int) -> "Store":
        """It became known that the revision at this place of the item of `key` is this one, which it may be."""
        found = self.find(key)
        assert found is not None and place in (2, 4), (self, key, place)
        held = found[place]
        assert isinstance(held, int | None), found
        if held is not None:
            return self._moved(-held, revision + held, is_known=True) if held < 0 else self
        store = self._moved(self.start, revision - self.start, is_known=False) if revision > self.start else self
        _, value, put, version, made = store.find(key) or found
        return store.with_item((key, value, revision if place == 2 else put, version, revision if place == 4 else made)).tidied()

    def _moved(self, least: int, by: int, *, is_known: bool) -> "Store":
        """What has at least `least` moves up: to its revision if that is known, and all after it at least as far."""
        position = self._position(least)
        is_open = position == len(self.ceilings)
        end, spare = (self.floor, 0) if is_open else self.ceilings[position]

        def change(one: int) -> int:
            return one + by if one == least and is_known else -(one + by) if least < one <= end else -one

        around = ((least, by),) * is_known + (() if is_open else ((end + by, spare - by),))
        ceilings = self.ceilings[:position] + around + self.ceilings[position + 1 :]
        start = self.start if is_known else self.start + by
        return Store(_renumbered(self.items, change), self.floor + by * is_open, True, ceilings, start).tidied()

    def compare(self, target: str, key: bytes, relation: str, operand: object) -> bool | None:
        """Whether a comparison holds; None if the history does not tell."""
        found = self.find(key)
        if target == "value":
            if found is None or type(found[1]) is not type(operand):
                return relation == "!="
            return _RELATIONS[relation](found[1], operand)
        assert isinstance(operand, int), operand
        if found is None:
            return _RELATIONS[relation](0, operand)
        low, high = self._counted(found, target)
        if low == high:
            return _RELATIONS[relation](low, operand)
        is_below, is_above = operand < low, high is not None and operand > high
        match relation:
            case "<":
                return True if is_above else False if operand <= low else None
            case ">":
                return True if is_below else False if operand == high or is_above else None
        return (relation == "!=") if is_below or is_above else None

    def _counted(self, found: Item, target: str) -> tuple[int, int | None]:
        """The least and the most that a version or revision may be."""
        held = found[_COUNTED[target]]
        assert isinstance(held, int | None), found
        if not self.counts:
            return 1, None
        if target == "version":
            return (1, None) if held is None else (held, held)
        return self._span(held)

    def equal(self, target: str, key: bytes, operand: object) -> "Store":
        """A comparison that the state leaves open was equal, as the client was told."""
        assert isinstance(operand, int), operand
        return self if target == "version" or not self.counts else self.numbered(key, _COUNTED[target], operand)

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
        return Store((*self.items[:position], item, *self.items[position + is_there :]), self.floor, self.counts, self.ceilings, self.start)

    def without(self, key: bytes) -> "Store":
        return Store(tuple(item for item in self.items if item[0] != key), self.floor, self.counts, self.ceilings, self.start)

    def _misfit(self, heard: object) -> Contradiction:
        """An item with this revision is not there, and will not be if another revision would come now."""
        return Impossible() if isinstance(heard, tuple) and heard[1] <= self.floor else Contradiction()

    def _learned(self, found: Item, value: object, revision: int, version: int) -> "Store":
        key, held, held_revision, held_version, _ = found
        low, high = self._span(held_revision)
        may_be = low <= revision and (high is None or revision <= high)
        if held != value or not may_be or (held_version is not None and held_version != version):
            raise self._misfit((value, revision, version))
        if held_revision == revision and held_version is not None:
            return self
        store = self.numbered(key, 2, revision)
        made = (store.find(key) or found)[4]
        return store.with_item((key, value, revision, version, revision if version == 1 else made)).tidied()


def _renumbered(items: tuple[Item, ...], change: Callable[[int], int]) -> tuple[Item, ...]:
    """With each unknown revision as `change` makes it of its least."""

    def changed(revision: Revision) -> Revision:
        return change(-revision) if revision is not None and revision < 0 else revision

    return tuple((key, value, changed(put), version, changed(made)) for key, value, put, version, made in items)


class Draft:
    """One write under way: its changes, which share one revision."""

    def __init__(self, base: Store, revision: object) -> None:
        """`revision` as the client was told it, or None."""
        self.store = self._base = base
        self._told = revision if isinstance(revision, int) else None
        self._has_begun = False
        self._touched: dict[bytes, bool] = {}
        """Whether it was there before."""

    def put(self, key: bytes, value: object) -> None:
        self._begin(key)
        found = self.store.find(key)
        if not self.store.counts:
            self.store = self.store.with_item((key, value, 0, 0, 0))
            return
        revision = self._revision()
        version = 1 if found is None else None if found[3] is None else found[3] + 1
        self.store = self.store.with_item((key, value, revision, version, revision if found is None else found[4]))

    def delete(self, key: bytes) -> bool:
        """True if it was there."""
        if self.store.find(key) is None:
            return False
        self._begin(key)
        self.store = self.store.without(key)
        return True

    def heard(self, read: Callable[[Store], Store]) -> None:
        """A read in between. Once the floor is this write's own, what does not fit below it may yet fit in another state."""
        try:
            self.store = read(self.store)
        except Impossible:
            raise Contradiction if self._has_begun else Impossible from None

    def _begin(self, key: bytes) -> None:
        """Before the first change: the floor is the new revision, or the least that it may be."""
        store = self.store
        self._touched.setdefault(key, store.find(key) is not None)
        if self._has_begun or not store.counts:
            return
        self._has_begun = True
        if self._told is None:
            self.store = Store(store.items, store.floor + 1, True, store.ceilings, store.start)
        elif self._told > store.floor:
            self.store = store.closed(self._told, self._told - store.floor - 1)

    def _revision(self) -> int:
        """That of this write: what its own reads told of it, if they did."""
        floor = self.store.floor
        is_known = self._told is not None or any((found := self.store.find(key)) is not None and found[2] == floor for key in self._touched)
        return floor if is_known else -floor

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
        if not any(was or store.find(key) is not None for key, was in self._touched.items()):
            # Put and deleted again: no revision is used, and that of the store may be below the one that was begun.
            return (self._base if self._has_begun else store).at_least(self._told)
        if store.counts and self._told is not None and self._told <= self._base.floor:
            raise Impossible
        return store.tidied()


def encoded(key: object) -> bytes:
    """A key as the service has it; keys are ordered as bytes."""
    assert isinstance(key, str | bytes), key
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
