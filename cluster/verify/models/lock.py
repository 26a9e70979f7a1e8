"""Locks: at most one owner at a time, and fencing tokens that grow.

| function | argument | result |
|---|---|---|
| acquire | the owner, None for the process itself | True, or the fencing token (an integer); False if it was taken |
| release | the owner, None for the process itself | None or True; False if it was not the owner's |

Every key is a lock of its own, free at first; it is not re-entrant. A token is higher than every one before it. Where locks
end by themselves, by a lease, the history has the fact `expires` (true): then an acquisition may also succeed while another
holds the lock, a release come too late, and it is the tokens that are checked.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.model import NEVER, Hint, Key, Step, by_key, told


class Held(NamedTuple):
    """Who holds it, the highest token so far, and whether it may end by itself."""

    owner: object
    token: int
    expires: bool


class Lock:
    name = "lock"
    summary = "locks: acquire and release, one owner at a time, fencing tokens that grow"
    functions: Mapping[str, str] = {
        "acquire": "the owner, or none for the process -> true or the fencing token; false if it was taken",
        "release": "the owner, or none for the process -> nothing or true; false if it was not the owner's",
    }

    def check(self, operation: Operation) -> None:
        if not isinstance(operation.argument, str | bytes | int | None):
            raise ValueError(f"the owner of a lock is text or a number, not {operation.argument!r:.100}")
        result = operation.result
        if operation.outcome is not Outcome.OK:
            return
        if operation.function == "acquire" and not isinstance(result, int):
            raise ValueError(f"the result of acquire is true, false or a fencing token, not {result!r:.100}")
        if operation.function == "release" and not isinstance(result, bool | None):
            raise ValueError(f"the result of release is nothing, true or false, not {result!r:.100}")

    def is_read(self, operation: Operation) -> bool:
        return operation.result is False

    def partition(self, operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
        """By lock, with the owner filled in."""
        return by_key([replace(each, argument=each.process) if each.argument is None else each for each in operations])

    def across(self, operations: Sequence[Operation]) -> Hint | None:
        return None

    def initial(self, operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
        expires = facts.get("expires", False)
        if not isinstance(expires, bool):
            raise ValueError(f"the fact `expires` is true or false, not {expires!r:.100}")
        return Held(None, -1, expires)

    def step(self, state: Hashable, operation: Operation) -> Step:
        assert isinstance(state, Held), state
        if operation.function == "acquire":
            return self._acquire(state, operation)
        is_mine = state.owner == operation.argument
        free = Held(None, state.token, state.expires)
        if operation.outcome is not Outcome.OK:
            return True, free if is_mine else state
        if operation.result is False:
            return not is_mine or state.expires, state
        return is_mine, free if is_mine else state

    def _acquire(self, state: Held, operation: Operation) -> Step:
        owner, token, result = operation.argument, state.token, operation.result
        is_free = state.owner is None or state.expires
        if operation.outcome is not Outcome.OK:
            return True, Held(owner, token + 1, state.expires) if is_free else state
        if result is False:
            return state.owner is not None, state
        if result is not True and isinstance(result, int) and result <= token:
            return False, NEVER
        if not is_free:
            return False, state
        return True, Held(owner, token if result is True or not isinstance(result, int) else result, state.expires)

    def describe(self, state: Hashable) -> str:
        assert isinstance(state, Held), state
        token = f", the highest token being {state.token}" if state.token >= 0 else ""
        return ("is free" if state.owner is None else f"is held by {state.owner!r}") + token

    def tell(self, operation: Operation) -> str:
        owner = "" if operation.argument in (None, operation.process) else f" for {operation.argument!r}"
        if operation.function == "release":
            return f"did not hold it{owner}" if operation.result is False else told(operation, f"released{owner}")
        if operation.result is False:
            return f"found it taken{owner}"
        token = f" with token {operation.result}" if operation.result is not True and operation.outcome is Outcome.OK else ""
        return told(operation, f"acquired{owner}{token}")

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> Hint | None:
        """A token that does not exceed one that was given out before."""
        token = stuck.result
        if stuck.function != "acquire" or isinstance(token, bool) or not isinstance(token, int):
            return None
        for other in operations:
            is_before = other.function == "acquire" and other.returned is not None and other.returned < stuck.called
            if is_before and type(other.result) is int and other.result >= token:
                return f"token {other.result} had been given out before", (other,)
        return None
