"""What operations of the coordination service, the bank and the watches ask and are told, shorter than their tuples are.

The rule it keeps: what does not have the form that is expected here gets no phrase, and is shown as the plain value that it is.
"""

from collections.abc import Callable

from quorate.cluster.verify.history import Operation

RELATIONS = ("=", "!=", "<", ">")
Value = Callable[[object], str]
"""How a single value is written."""


def asked(each: Operation, value: Value) -> str | None:
    """The argument in words."""
    match each.function, each.argument:
        case "cas", (expected, new):
            return f"{value(expected)} to {value(new)}"
        case "cas_revision", (int(revision), new):
            return f"rev {revision} to {value(new)}"
        case "write", (session, int(sequence), new):
            return f"{value(new)} as {value(session)}/{sequence}"
        case (("range" | "delete_range"), (start, end, int(limit))):
            return _interval(start, end, value) + _limit(limit)
        case "prefix", (prefix, int(limit)):
            return f"{value(prefix)}*{_limit(limit)}"
        case "transfer", (source, target, amount):
            return f"{value(amount)} from {value(source)} to {value(target)}"
        case "watch", (watcher, tuple(selector), start):
            return f"{value(watcher)} of {_selected(selector, value)} from rev {value(start)}"
        case "txn", (tuple(conditions), tuple(then), tuple(otherwise)):
            return _transaction(conditions, then, otherwise, value)
    return None


def told(each: Operation, value: Value) -> str | None:
    """The result in words."""
    match each.function, each.result:
        case (("put" | "write"), int(revision)):
            return f"rev {revision}"
        case (("delete" | "delete_range"), (int(count), int(revision))):
            return f"{count} deleted, rev {revision}"
        case (("cas" | "cas_revision"), (bool(done), int(revision))):
            return f"{value(done)}, rev {revision}"
        case "get", (found, int(revision), int()):
            return f"{value(found)}, rev {revision}"
        case (("range" | "prefix"), (tuple(items), _, revision)):
            return _items(items, value) + _at(revision)
        case "txn", (bool(done), tuple(results), revision):
            return f"{'then' if done else 'else'} {value(results)}{_at(revision)}"
        case "watch", (first, upto, tuple(events), compacted):
            gone = "" if compacted is None else f", gone up to {value(compacted)}"
            return f"rev {value(first)}-{value(upto)}: {', '.join(_event(event, value) for event in events) or 'nothing'}{gone}"
    return None


def _interval(start: object, end: object, value: Value) -> str:
    return f"[{value(start)}, {value(end) if end not in ('', b'') else '∞'})"


def _limit(limit: int) -> str:
    return f" limit {limit}" if limit else ""


def _at(revision: object) -> str:
    return "" if revision is None else f", rev {revision}"


def _items(items: tuple[object, ...], value: Value) -> str:
    said = []
    for item in items:
        match item:
            case (key, found, *_):
                said.append(f"{value(key)}={value(found)}")
            case _:
                said.append(value(item))
    return ", ".join(said) or "nothing"


def _selected(selector: tuple[object, ...], value: Value) -> str:
    match selector:
        case ("key", key):
            return value(key)
        case ("prefix", prefix):
            return f"{value(prefix)}*"
        case ("range", start, end):
            return _interval(start, end, value)
    return value(selector)


def _event(event: object, value: Value) -> str:
    match event:
        case (revision, "put", key, new):
            return f"{value(key)}={value(new)} @{value(revision)}"
        case (revision, "delete", key, _):
            return f"{value(key)} gone @{value(revision)}"
    return value(event)


def _transaction(conditions: tuple[object, ...], then: tuple[object, ...], otherwise: tuple[object, ...], value: Value) -> str:
    said = f"if {_joined(conditions, ' and ', value)} then " if conditions else ""
    said += _joined(then, "; ", value) or "nothing"
    return said + (f" else {_joined(otherwise, '; ', value)}" if otherwise else "")


def _joined(phrases: tuple[object, ...], between: str, value: Value) -> str:
    def word(part: object) -> str:
        return part if isinstance(part, str) and part in RELATIONS else value(part)

    return between.join(" ".join(map(word, phrase)) if isinstance(phrase, tuple) else value(phrase) for phrase in phrases)
