"""The coordination service: keys and values, ranges, transactions, revisions. Keys and values are text or bytes.

| function | key | argument | result |
|---|---|---|---|
| put | key | the value | None, or its revision |
| get | key | None | None if absent, else the value or (value, revision, version) |
| delete | key | None | None, or (how many were deleted, revision) |
| cas | key | (expected value or None for absent, new value or None to delete) | succeeded, or (succeeded, revision) |
| cas_revision | key | (expected revision, 0 for absent, new value or None) | the same |
| range | None | (start, end, limit): keys of [start, end), an empty end is none, limit 0 too | (items, total, revision) |
| prefix | None | (prefix, limit) | (items, total, revision) |
| delete_range | None | (start, end, limit) | None, or (how many were deleted, revision) |
| txn | None | (comparisons, then, otherwise) | (succeeded, results, revision) |

An item of a range is (key, value) or (key, value, revision, version); `total` counts the keys of the whole range, and
`revision` is the store's; both may be None. A comparison is (target, key, relation, operand): value, version,
mod_revision or create_revision; =, !=, < or >. Operations of a transaction are (put, key, value), (get, key), (delete, key),
(range, start, end, limit), (prefix, prefix, limit), (delete_range, start, end, limit); their results are as above.

Every write has a revision of its own, higher than all before; one that nobody was told lies between those that were told before
and after it, with room for the other writes there, and is the same for all keys of its transaction. A read, or a swap or
comparison that found it equal, tells it. Versions count the puts of a key since it was created. All this is checked wherever
results carry it. Keys that no range and no transaction joins are checked apart; across them only revisions that contradict each
other one to one are seen. Keys on leases, which end with time, are not for this model. The fact `initial` is the pairs
((key, value), ...) that were there before.

Not concluded: what a swap or comparison of a revision that was not told rules out (it was not equal, was lower or was higher);
versions of keys from before the history, until a read tells them; what the reads of a transaction tell that wrote nothing in the
end, for it deleted what it had put; the revisions of single puts in a transaction, beside its own.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models import clues, joining, revisions
from quorate.cluster.verify.models.model import NEVER, Hint, Key, Step, told
from quorate.cluster.verify.models.shapes import FUNCTIONS, bounds, check_shape, listed, readable, swap_of, transacted, transaction_of
from quorate.cluster.verify.models.store import Contradiction, Draft, Impossible, Store, encoded

WORDS_KEYS_MAX = 8
"""So many keys of a state are told."""


class KeyValue:
    name = "kv"
    summary = "the key-value service: put, get, delete, compare-and-swap, ranges, transactions, revisions"
    functions: Mapping[str, str] = FUNCTIONS

    def check(self, operation: Operation) -> None:
        check_shape(operation)

    def is_read(self, operation: Operation) -> bool:
        match operation.function:
            case "get" | "range" | "prefix":
                return True
            case "cas" | "cas_revision":
                return operation.result is False or (isinstance(operation.result, tuple) and operation.result[0] is False)
        return False

    def partition(self, operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
        return joining.partition(operations)

    def across(self, operations: Sequence[Operation]) -> Hint | None:
        return revisions.contradiction(operations)

    def initial(self, operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
        mine = joining.membership(operations)
        pairs = facts.get("initial") or ()
        if not isinstance(pairs, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            raise ValueError(f"the fact `initial` of a kv history is pairs ((key, value), ...), not {pairs!r:.100}")
        if not all(isinstance(part, str | bytes) for pair in pairs for part in pair):
            raise ValueError(f"the fact `initial` of a kv history has keys and values of text or bytes, not {pairs!r:.100}")
        present = [(encoded(key), value) for key, value in pairs if mine(encoded(key))]
        return Store.of(present, counts=revisions.are_told(operations))

    def step(self, state: Hashable, operation: Operation) -> Step:
        assert isinstance(state, Store), state
        known = operation.outcome is Outcome.OK
        try:
            return True, _STEPS[operation.function](state, operation, operation.result, known)
        except Impossible:
            return False, NEVER
        except Contradiction:
            return False, state

    def describe(self, state: Hashable) -> str:
        assert isinstance(state, Store), state
        items = [f"{readable(item[0])!r} = {item[1]!r}" for item in state.items[:WORDS_KEYS_MAX]]
        more = len(state.items) - WORDS_KEYS_MAX
        held = ", ".join(items) + (f" and {more} more" if more > 0 else "") if items else "nothing"
        return f"holds {held}" + (f" at revision {state.floor}" if state.counts and state.floor else "")

    def tell(self, operation: Operation) -> str:
        words = f"{_VERBS[operation.function]} {_object(operation)}"
        if operation.outcome is not Outcome.OK:
            return told(operation, words)
        match operation.function:
            case "put":
                return words if operation.result is None else f"{words} at revision {operation.result}"
            case _:
                return f"{words} and heard {operation.result!r}"

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> Hint | None:
        """What a get heard was never written, or written over, or never deleted."""
        assert isinstance(initial, Store), initial
        return clues.of_get(stuck, operations, initial) if stuck.function == "get" else None


def _put(store: Store, operation: Operation, result: object, known: bool) -> Store:
    draft = Draft(store, result if known else None)
    draft.put(encoded(operation.key), operation.argument)
    return draft.done()


def _get(store: Store, operation: Operation, result: object, known: bool) -> Store:
    return store.observed(encoded(operation.key), result) if known else store


def _delete(store: Store, operation: Operation, result: object, known: bool) -> Store:
    count, revision = result if known and isinstance(result, tuple) else (None, None)
    draft = Draft(store, revision)
    deleted = int(draft.delete(encoded(operation.key)))
    _expect(count is None or count == deleted)
    return draft.done()


def _delete_range(store: Store, operation: Operation, result: object, known: bool) -> Store:
    count, revision = result if known and isinstance(result, tuple) else (None, None)
    draft = Draft(store, revision)
    _expect(draft.delete_range(*bounds(operation.function, operation.argument)) == count or count is None)
    return draft.done()


def _range(store: Store, operation: Operation, result: object, known: bool) -> Store:
    if not known:
        return store
    start, end, limit = bounds(operation.function, operation.argument)
    items, total, revision = listed(result)
    return store.listed(start, end, limit, items, total).at_least(revision)


def _cas(store: Store, operation: Operation, result: object, known: bool) -> Store:
    expected, new = swap_of(operation)
    key = encoded(operation.key)
    if operation.function == "cas":
        found = store.find(key)
        holds: bool | None = (found is None) if expected is None else (found is not None and found[1] == expected)
    elif expected == 0:
        holds = store.find(key) is None
    else:
        holds = store.compare("mod_revision", key, "=", expected)
    succeeded, revision = (result if isinstance(result, tuple) else (result, None)) if known else (None, None)
    if store.decide(holds, succeeded, "a swap of unknown outcome expects a revision that may or may not be the key's"):
        if holds is None and succeeded:
            store = store.equal("mod_revision", key, expected)
        draft = Draft(store, revision)
        if new is None:
            draft.delete(key)
        else:
            draft.put(key, new)
        return draft.done()
    return store.at_least(revision)


def _txn(store: Store, operation: Operation, result: object, known: bool) -> Store:
    comparisons, then, otherwise = transaction_of(operation)
    succeeded, results, revision = transacted(result) if known else (None, None, None)
    holds: bool | None = True
    for target, key, relation, operand in comparisons:
        one = store.compare(target, encoded(key), relation, operand)
        holds = False if one is False or holds is False else None if one is None or holds is None else True
    reason = "a transaction of unknown outcome compares a revision or version that the history does not tell"
    chosen = then if store.decide(holds, succeeded, reason) else otherwise
    if holds is None and succeeded:
        for target, key, relation, operand in comparisons:
            if relation == "=" and store.compare(target, encoded(key), relation, operand) is None:
                store = store.equal(target, encoded(key), operand)
        _expect(all(store.compare(target, encoded(key), relation, operand) is not False for target, key, relation, operand in comparisons))
    draft = Draft(store, revision)
    _expect(results is None or len(results) == len(chosen))
    for position, (kind, *arguments) in enumerate(chosen):
        heard = results[position] if results is not None else None
        match kind:
            case "put":
                draft.put(encoded(arguments[0]), arguments[1])
            case "get" if results is not None:
                draft.heard(partial(Store.observed, key=encoded(arguments[0]), heard=heard))
            case "delete":
                deleted = int(draft.delete(encoded(arguments[0])))
                _expect(not isinstance(heard, tuple) or heard[0] == deleted)
            case "delete_range":
                deleted = draft.delete_range(*bounds("delete_range", tuple(arguments)))
                _expect(not isinstance(heard, tuple) or heard[0] == deleted)
            case "range" | "prefix" if results is not None:
                items, total, _ = listed(heard)
                start, end, limit = bounds(str(kind), tuple(arguments))
                draft.heard(partial(Store.listed, start=start, end=end, limit=limit, heard=items, total=total))
    return draft.done()


def _expect(is_so: bool) -> None:
    if not is_so:
        raise Contradiction


_STEPS = {
    "put": _put,
    "get": _get,
    "delete": _delete,
    "delete_range": _delete_range,
    "range": _range,
    "prefix": _range,
    "cas": _cas,
    "cas_revision": _cas,
    "txn": _txn,
}
_VERBS = {
    "put": "put",
    "get": "got",
    "delete": "deleted",
    "delete_range": "deleted",
    "range": "listed",
    "prefix": "listed",
    "cas": "swapped",
    "cas_revision": "swapped",
    "txn": "committed",
}


def _object(operation: Operation) -> str:
    match operation.function:
        case "put":
            return f"{operation.key!r} = {operation.argument!r}"
        case "get" | "delete":
            return f"{operation.key!r}"
        case "cas" | "cas_revision":
            expected, new = swap_of(operation)
            revision = "revision " if operation.function == "cas_revision" else ""
            return f"{operation.key!r} from {revision}{expected!r} to {new!r}"
        case "range" | "delete_range":
            start, end, limit = bounds("range", operation.argument)
            return f"[{readable(start)!r}, {readable(end)!r})" + (f" up to {limit}" if limit else "")
        case "prefix":
            return f"{operation.argument!r}"
    return f"{operation.argument!r}"
