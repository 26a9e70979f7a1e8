"""A Client whose every operation is recorded, in the words of the model `kv`.

The rule: what an error does not rule out stays unknown. A definite error is a failure; any other, a timeout, and a caller
who is cancelled leave the outcome open. Errors are passed on as they are.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from quorate.cluster.client.client import LINEARIZABLE, Client
from quorate.cluster.client.transaction import Text, to_bytes
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.service import commands
from quorate.cluster.service.commands import Comparison, Operation, Relation, Target
from quorate.cluster.service.results import DeleteResult, GetResult, KeyValue, PutResult, RangeResult, SwapResult, TxnResult
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.wire.errors import QuorateError

Result = TypeVar("Result")

TARGETS = {Target.VALUE: "value", Target.VERSION: "version", Target.CREATE_REVISION: "create_revision"}
TARGETS |= {Target.MOD_REVISION: "mod_revision", Target.LEASE: "lease"}
RELATIONS = {Relation.EQUAL: "=", Relation.NOT_EQUAL: "!=", Relation.LESS: "<", Relation.GREATER: ">"}


class RecordedClient:
    """One process: one operation at a time. Any number of them may share a Client. `consistency`: only reads that are
    linearizable belong into a history that is checked for it."""

    def __init__(self, client: Client, recorder: Recorder) -> None:
        self._client = client
        self._recorded = recorder.client()

    async def put(self, key: Text, value: Text, *, timeout: float | None = None) -> PutResult:
        doing = self._client.put(key, value, timeout=timeout)
        return await self._record("put", key, value, doing, lambda result: result.revision)

    async def get(self, key: Text, *, consistency: Consistency = LINEARIZABLE, timeout: float | None = None) -> KeyValue | None:
        return await self._record("get", key, None, self._client.get(key, consistency=consistency, timeout=timeout), item)

    async def delete(self, key: Text, *, timeout: float | None = None) -> DeleteResult:
        return await self._record("delete", key, None, self._client.delete(key, timeout=timeout), deleted)

    async def delete_range(self, start: Text, end: Text, *, limit: int = 0, timeout: float | None = None) -> DeleteResult:
        doing = self._client.delete_range(start, end, limit=limit, timeout=timeout)
        return await self._record("delete_range", None, (start, end, limit), doing, deleted)

    async def range(
        self,
        start: Text = "",
        end: Text = "",
        *,
        prefix: Text | None = None,
        limit: int = 0,
        consistency: Consistency = LINEARIZABLE,
        timeout: float | None = None,
    ) -> RangeResult:
        doing = self._client.range(start, end, prefix=prefix, limit=limit, consistency=consistency, timeout=timeout)
        if prefix is not None:
            return await self._record("prefix", None, (prefix, limit), doing, ranged)
        return await self._record("range", None, (start, end, limit), doing, ranged)

    async def compare_and_swap(
        self, key: Text, *, expected: Text | int | None, value: Text | None, timeout: float | None = None
    ) -> SwapResult:
        function = "cas_revision" if isinstance(expected, int) else "cas"
        doing = self._client.compare_and_swap(key, expected=expected, value=value, timeout=timeout)
        return await self._record(function, key, (expected, value), doing, lambda result: (result.succeeded, result.revision))

    async def transaction(
        self,
        comparisons: list[Comparison],
        then: list[Operation],
        otherwise: list[Operation] | None = None,
        *,
        timeout: float | None = None,
    ) -> TxnResult:
        argument = (tuple(map(compared, comparisons)), tuple(map(branch, then)), tuple(map(branch, otherwise or [])))
        doing = self._client.transaction(comparisons, then, otherwise, timeout=timeout)
        return await self._record("txn", None, argument, doing, transacted)

    async def _record(
        self, function: str, key: Text | None, argument: object, doing: Awaitable[Result], told: Callable[[Result], object]
    ) -> Result:
        self._recorded.invoke(function, None if key is None else to_bytes(key), argument)
        try:
            result = await doing
        except QuorateError as error:
            why = f"{error.code}: {error.message}"
            if error.definite:
                self._recorded.fail(why)
            else:
                self._recorded.unknown(why)
            raise
        except BaseException as error:
            self._recorded.unknown(type(error).__name__)
            raise
        self._recorded.ok(told(result))
        return result


def item(found: KeyValue | None) -> object:
    """(value, revision, version) of a key, or None."""
    return None if found is None else (found.value, found.mod_revision, found.version)


def deleted(result: DeleteResult) -> object:
    return result.deleted, result.revision


def ranged(result: RangeResult) -> object:
    items = tuple((found.key, found.value, found.mod_revision, found.version) for found in result.items)
    return items, result.total, result.revision


def transacted(result: TxnResult) -> object:
    return result.succeeded, tuple(map(_nested, result.results)), result.revision


def _nested(result: PutResult | DeleteResult | GetResult | RangeResult) -> object:
    match result:
        case PutResult():
            return None
        case GetResult():
            return item(result.item)
        case DeleteResult():
            return deleted(result)
        case _:
            return ranged(result)


def compared(comparison: Comparison) -> object:
    """A comparison in words."""
    target, key, relation, operand = comparison
    return TARGETS[Target(target)], key, RELATIONS[Relation(relation)], operand


def branch(operation: Operation) -> object:
    """An operation of a transaction in words."""
    match operation:
        case (commands.PUT, key, value):
            return "put", key, value
        case (commands.GET, key):
            return "get", key
        case (commands.DELETE, key):
            return "delete", key
        case (commands.DELETE_RANGE, start, end, limit, 0):
            return "delete_range", start, end, limit
        case (commands.RANGE, start, end, limit, 0, 0):
            return "range", start, end, limit
    raise ValueError(f"not an operation that can be recorded (leases, past revisions and options cannot): {operation!r:.100}")
