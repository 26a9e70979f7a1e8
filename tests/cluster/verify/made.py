"""Histories and verdicts made by hand: what the page and the command are shown before any checker has run."""

from collections.abc import Iterable

from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.verdict import Answer, Edge, Finding, Verdict

MS = 1_000_000


def operation(
    process: int,
    function: str,
    argument: object = None,
    result: object = None,
    *,
    called: int,
    returned: int | None,
    key: str | bytes | int | None = None,
    failed: bool = False,
    times: bool = True,
) -> Operation:
    """`returned` None: its outcome is unknown."""
    outcome = Outcome.UNKNOWN if returned is None else Outcome.FAILED if failed else Outcome.OK
    return Operation(
        process,
        function,
        key,
        argument,
        result,
        outcome,
        called,
        returned,
        called_ns=called * MS + 1 if times else 0,
        returned_ns=returned * MS if returned is not None and times else None,
        line=called + 2,
        returned_line=None if returned is None else returned + 2,
    )


def history(operations: Iterable[Operation], **facts: object) -> History:
    return History(tuple(operations), facts, "made.jsonl")


def stale_read(key: str | bytes | int | None = "x") -> tuple[History, Verdict]:
    """Two writes that finished one after the other, and a later read of the first one; a swap whose outcome nobody knows."""
    operations = (
        operation(0, "write", 1, called=0, returned=2, key=key),
        operation(1, "read", None, None, called=1, returned=4, key=key),
        operation(0, "write", 2, called=3, returned=7, key=key),
        operation(2, "cas", (5, 3), None, called=5, returned=None, key=key),
        operation(1, "read", None, 2, called=6, returned=8, key=key),
        operation(3, "write", 9, called=9, returned=11, key=key, failed=True),
        operation(1, "read", None, 1, called=10, returned=13, key=key),
        operation(0, "read", None, 1, called=12, returned=16, key=key),
        operation(3, "write", 4, called=14, returned=15, key=key),
    )
    finding = Finding(
        "not linearizable",
        "Process 1 reads 1 although the write of 2 had finished before it was called.\nNothing writes 1 again in between.",
        key,
        operations,
        order=(1, 0, 2, 4),
        states=("nil", "1", "2", "2"),
        stuck=(6, 7, 3),
    )
    reason = "no order of the 9 operations of key x explains what they returned"
    facts: dict[str, int | float | str] = {"operations": 9, "unknown outcomes": 1, "partitions": 1, "steps": 23, "seconds": 0.0012}
    return history(operations, model="register", seed=7), Verdict("register", Answer.INVALID, reason, (finding,), facts)


def transactions() -> tuple[Operation, ...]:
    return (
        operation(0, "txn", (("r", "x", None), ("append", "y", 1)), (("r", "x", ()), ("append", "y", 1)), called=0, returned=3),
        operation(1, "txn", (("r", "y", None), ("append", "x", 2)), (("r", "y", ()), ("append", "x", 2)), called=1, returned=4),
        operation(2, "txn", (("r", "x", None), ("r", "y", None)), (("r", "x", (2,)), ("r", "y", (1,))), called=5, returned=6),
    )


def write_skew(length: int = 2) -> tuple[History, Verdict]:
    """A cycle of that many transactions, each of which misses what the next one wrote."""
    if length == 2:
        members = transactions()[:2]
    else:
        members = tuple(
            operation(
                number,
                "txn",
                (("r", number, None), ("append", (number + 1) % length, number)),
                (("r", number, ()), ("append", (number + 1) % length, number)),
                called=2 * number,
                returned=2 * number + 1,
            )
            for number in range(length)
        )
    edges = tuple(
        Edge(one, "rw", members[(number + 1) % length], f"T{number + 1} read key {number} without the value that the next one appended.")
        for number, one in enumerate(members)
    )
    finding = Finding("G2", "Each read what was there before the other's append, so each must come first.", operations=members, cycle=edges)
    facts: dict[str, int | float | str] = {"transactions": length, "edges": length}
    return history(members), Verdict("list-append", Answer.INVALID, "the transactions depend on each other in a cycle", (finding,), facts)
