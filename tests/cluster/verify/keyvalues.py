"""The coordination service's own state machine, asked in the words of the model `kv`."""

from collections.abc import Callable
from random import Random

from quorate.cluster.service import commands
from quorate.cluster.service.commands import Operation, encode
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.results import decode_delete, decode_get, decode_put, decode_range, decode_swap, decode_transaction
from quorate.cluster.verify.files import plain
from quorate.cluster.verify.recorded_client import RELATIONS, TARGETS, branch, compared, deleted, item, ranged, transacted
from tests.cluster.service.keyvalues import World
from tests.cluster.verify.oracle import Asked

KEYS = ("a", "b", "c")


class Service:
    """Answers as a cluster would: every operation at once, and in the order in which they are asked."""

    def __init__(self, *, revisions: bool = True) -> None:
        self._world = World(KeyValue())
        self._revisions = revisions

    def answer(self, asked: Asked, process: int) -> object:
        operation, decode = translated(asked)
        if asked[0] in ("get", "range", "prefix"):
            result = decode(self._world.machine.query(encode(operation)))
        else:
            result = decode(self._world.apply(operation))
        return plain(result if self._revisions else without_revisions(asked, result))


def translated(asked: Asked) -> tuple[Operation, Callable[[bytes], object]]:
    """The command or query, and how its answer is told."""
    function, key, argument = asked
    name = key.encode() if isinstance(key, str) else b""
    match function, argument:
        case "put", str(value):
            return commands.put(name, value.encode()), lambda data: decode_put(data).revision
        case "get", _:
            return commands.get(name), lambda data: item(decode_get(data).item)
        case "delete", _:
            return commands.delete(name), lambda data: deleted(decode_delete(data))
        case "cas" | "cas_revision", (expected, new):
            wanted = expected.encode() if isinstance(expected, str) else expected
            swap = commands.compare_and_swap(name, wanted, None if new is None else new.encode())
            return swap, lambda data: decode_swap(data)[:2]
        case "range", (start, end, limit):
            return commands.range(start.encode(), end.encode(), limit=limit), lambda data: ranged(decode_range(data))
        case "prefix", (beginning, limit):
            return commands.range(*commands.prefix(beginning.encode()), limit=limit), lambda data: ranged(decode_range(data))
        case "delete_range", (start, end, limit):
            return commands.delete_range(start.encode(), end.encode(), limit=limit), lambda data: deleted(decode_delete(data))
        case "txn", (comparisons, then, otherwise):
            told = commands.transaction(
                [_comparison(each) for each in comparisons], [_nested(*each) for each in then], [_nested(*each) for each in otherwise]
            )
            return told, lambda data: transacted(decode_transaction(data))
    raise AssertionError(asked)


def _comparison(told: tuple[str, str, str, str | int]) -> commands.Comparison:
    target, key, relation, operand = told
    targets = {words: number for number, words in TARGETS.items()}
    relations = {words: number for number, words in RELATIONS.items()}
    return commands.compare(key.encode(), targets[target], relations[relation], operand.encode() if isinstance(operand, str) else operand)


def _nested(kind: str, *arguments: object) -> Operation:
    if kind == "put":
        return translated((kind, str(arguments[0]), arguments[1]))[0]
    if kind in ("get", "delete"):
        return translated((kind, str(arguments[0]), None))[0]
    return translated((kind, None, arguments))[0]


def without_revisions(asked: Asked, result: object) -> object:
    """What a client that throws revisions away is left with."""
    match asked[0], result:
        case "put", _:
            return None
        case "get", (value, _, _):
            return value
        case "delete" | "delete_range", (count, _):
            return count, None
        case "cas" | "cas_revision", (succeeded, _):
            return succeeded
        case "range" | "prefix", (items, total, _):
            return tuple(each[:2] for each in items), total, None
        case "txn", (succeeded, results, _):
            argument = asked[2]
            assert isinstance(argument, tuple), asked
            chosen = argument[1 if succeeded else 2]
            return succeeded, tuple(without_revisions((one[0], None, None), heard) for one, heard in zip(chosen, results)), None
    return result


def ask(rng: Random) -> Asked:
    """Anything, over few keys and values, so that it meets."""
    key, value = rng.choice(KEYS), rng.choice("xyz")
    span = rng.choice([("", "", 0), ("a", "c", 0), ("b", "", 0), ("", "", 1), ("x", "", 0), ("c", "a", 0)])
    match rng.randrange(12):
        case 0 | 1:
            return "put", key, value
        case 2 | 3:
            return "get", key, None
        case 4:
            return "delete", key, None
        case 5:
            return "cas", key, (rng.choice([None, "x", "y"]), rng.choice([None, value]))
        case 6:
            return "cas_revision", key, (rng.randrange(4), rng.choice([None, value]))
        case 7:
            return "range", None, span
        case 8:
            return "prefix", None, (rng.choice(["", key]), rng.choice([0, 1]))
        case 9:
            return "delete_range", None, span
    comparisons = [(rng.choice(["version", "mod_revision", "create_revision"]), rng.choice(KEYS), rng.choice("=<>"), rng.randrange(3))]
    comparisons += [("value", rng.choice(KEYS), rng.choice(["=", "!=", "<", ">"]), "y")] if rng.random() < 0.5 else []
    nested = [("put", key, value), ("get", rng.choice(KEYS)), ("delete", rng.choice(KEYS)), ("range", *span), ("delete_range", *span)]
    return "txn", None, (tuple(comparisons[rng.randrange(2) :]), tuple(rng.sample(nested, 2)), tuple(rng.sample(nested, rng.randrange(3))))


assert branch(commands.get(b"a")) == ("get", b"a"), "what the recorder writes is what `translated` reads"
assert compared(commands.absent(b"a")) == ("version", b"a", "=", 0)
