"""What Jepsen writes, as events: operations in EDN, and the older lines of its log.

    {:process 0, :type :invoke, :f :cas, :value [1 2], :time 3275, :index 4}
    {:process 1, :type :ok, :f :txn, :value [[:append 3 1] [:r 4 [1 2]]]}
    INFO  jepsen.util - 4  :invoke  :read  nil

Maps stand one after another or in one vector. The rules: what the nemesis does is no operation of a client and is left out;
a read or write whose value is a vector is one of jepsen.independent, `[key value]`, and then all of the file are;
`:fail` is definite and `:info` unknown, as everywhere. Results become those that our models speak of: a write's is None, a
cas that is `:ok` was carried out, a transaction's is its list of operations with what they read.
"""

import re
from collections.abc import Iterable, Iterator
from math import isfinite

from quorate.cluster.verify.edn import BadEdn, forms
from quorate.cluster.verify.events import INVOKE, KINDS, BadHistory, Event, checked_depth

PROCESS_DIGITS_MAX = 18
_OPERATION = "expected an operation such as {:process 0, :type :invoke, :f :read, :value nil}"
_LOG = re.compile(r"\b(?:INFO|WARN|ERROR|DEBUG|TRACE)\b")
_LOG_OPERATION = re.compile(r"jepsen\.util\s*[-:]\s+(?P<process>\d+)\s+(?P<rest>\S.*)$")
_INDEPENDENT = ("read", "write", "cas")


def edn_events(lines: Iterable[tuple[int, str]], source: str) -> Iterator[Event]:
    """The clients' events of an EDN history. BadHistory."""
    translator = _Translator(source)
    try:
        for line, form in forms(lines, unwrap=True):
            if not isinstance(form, dict):
                raise BadHistory(source, line, f"{_OPERATION}, not {form!r:.60}")
            missing = [name for name in ("process", "type", "f") if name not in form]
            if missing:
                raise BadHistory(source, line, f"{_OPERATION}: there is no :{missing[0]}")
            process, kind = form["process"], form["type"]
            if isinstance(process, str):
                continue  # the nemesis and its like have names
            if type(process) is not int:
                raise BadHistory(source, line, f":process is a number or a name, not {process!r:.40}")
            time = form.get("time")
            time_ns = int(time) if isinstance(time, int | float) and isfinite(time) else 0
            yield translator.event(line, process, kind, form["f"], form.get("value"), time_ns)
    except BadEdn as error:
        raise BadHistory(source, error.line, str(error)) from None


def log_events(lines: Iterable[tuple[int, str]], source: str) -> Iterator[Event]:
    """The clients' events of a Jepsen log; its other lines are passed over. BadHistory."""
    translator = _Translator(source)
    for line, text in lines:
        match = _LOG_OPERATION.search(text)
        if match is None:
            if text.strip() and not _LOG.search(text):
                raise BadHistory(source, line, f"expected a line of a Jepsen log, not {text.strip()!r:.60}")
            continue
        try:
            fields = [form for _, form in forms([(line, match["rest"])])]
        except BadEdn as error:
            raise BadHistory(source, line, str(error)) from None
        if len(fields) < 3:
            raise BadHistory(source, line, f"expected process, type, function and value, not {match[0].strip()!r:.80}")
        kind, function, value, *_ = fields
        if len(match["process"]) > PROCESS_DIGITS_MAX:
            raise BadHistory(source, line, f"{match['process'][:PROCESS_DIGITS_MAX]}... is no process")
        yield translator.event(line, int(match["process"]), kind, function, value, 0)


class _Translator:
    """Remembers, for one file, whether values come with keys and what each process has invoked."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._keyed: bool | None = None
        self._key_line = 0

    def event(self, line: int, process: int, kind: object, function: object, value: object, time_ns: int) -> Event:
        if kind not in KINDS:
            raise BadHistory(self._source, line, f":type is one of {', '.join(f':{kind}' for kind in KINDS)}, not {kind!r:.40}")
        if type(function) is not str:
            raise BadHistory(self._source, line, f":f is a keyword, not {function!r:.40}")
        try:
            key, argument = None, _plain(value)
        except ValueError as error:
            raise BadHistory(self._source, line, str(error)) from None
        if function in _INDEPENDENT and kind in (INVOKE, "ok"):
            key, argument = self._split(line, str(kind), function, argument)
        if kind == "ok":
            argument = None if function == "write" else True if function == "cas" else argument
        return Event(str(kind), process, function, key, argument, time_ns, line)

    def _split(self, line: int, kind: str, function: str, value: object) -> tuple[str | bytes | int | None, object]:
        """(key, value) of a value; the key is None where there are none."""
        is_pair = isinstance(value, tuple) and len(value) == 2
        is_keyed = is_pair and (function != "cas" or isinstance(value[1], tuple))  # type: ignore[index]
        if self._keyed is None:
            self._keyed, self._key_line = is_keyed, line
        if is_keyed != self._keyed:
            words = ("has no key", "has") if self._keyed else ("has a key", "has none")
            raise BadHistory(self._source, line, f"the {function} {words[0]}, but that of line {self._key_line} {words[1]}: {value!r:.60}")
        if function == "cas":
            expected = value[1] if is_keyed else value  # type: ignore[index]
            if not isinstance(expected, tuple) or len(expected) != 2:
                raise BadHistory(self._source, line, f"a cas has the value [old new], not {value!r:.60}")
        if not is_keyed:
            return None, value
        assert isinstance(value, tuple), value
        key, inner = value
        if not isinstance(key, str | int | None):
            raise BadHistory(self._source, line, f"a key is text or a number, not {key!r:.60}")
        return key, inner


def _plain(value: object, depth: int = 0) -> object:
    """Values without maps: a map becomes its pairs, a float its text. ValueError for what no history can hold."""
    match value:
        case tuple():
            return tuple(_plain(item, depth + 1) for item in checked_depth(value, depth))
        case dict():
            return _plain(tuple(value.items()), depth)
        case float():
            return repr(value)
        case _:
            return value
