"""Watches: every change of a range from a revision on, in order, each once, and never a silent gap.

The form: what a watcher heard between two subscriptions is one operation `watch`.
- argument (watcher, selector, from_revision): pieces with the same `watcher` continue each other. The selector is ("key", key),
  ("prefix", prefix) or ("range", start, end), with "" for no end.
- result (first, upto, events, compacted): the first revision that this piece was to hear; the one up to which everything was
  delivered (its progress: a piece that broke off promises nothing beyond); events (revision, "put" or "delete", key, value or
  None); and the revision up to which history was gone if the piece ended for that reason, else None.
Beside these stand the operations of `changes`. Fact `other_writers`: true if keys were also written by somebody who was not
recorded, or by the end of leases: then an event may come from nowhere.

The rule it keeps: what a watcher must have heard is what was acknowledged in its range at the revisions that its pieces cover,
and what any other watcher heard there. An eviction is an answer; only a gap that nobody spoke of is an error.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from quorate.cluster.verify.changes import (
    Access,
    Bounds,
    Change,
    Key,
    accesses,
    bounds_of,
    encoded,
    key_of,
    number,
    parts,
    prefix_bounds,
    within,
)
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.facts import flag
from quorate.cluster.verify.findings import first_of_each
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.meter import Meter, OutOfBudget
from quorate.cluster.verify.verdict import Answer, Budget, Finding, Verdict

MODEL = "watch"
FORM = "(watcher, selector, from_revision) -> (first, upto, events, compacted)"


class Heard(NamedTuple):
    """One event, and the piece that brought it."""

    revision: int
    change: Change
    operation: Operation


@dataclass(slots=True)
class Piece:
    operation: Operation
    first: int
    upto: int
    events: list[Heard]
    compacted: int | None


@dataclass(slots=True)
class Watcher:
    name: object
    ranges: list[Bounds]
    pieces: list[Piece] = field(default_factory=list)
    heard: dict[tuple[int, Key], Heard] = field(default_factory=dict)
    """Filled in by the check of its own order."""


def check_watches(history: History, budget: Budget) -> Verdict:
    """BadHistory for operations of another form."""
    meter = Meter(budget)
    check = _Check(history)
    findings: list[Finding] = []
    exhausted = ""
    try:
        for watcher in check.watchers:
            meter.check("looking at each watcher")
            findings += check.order(watcher)
        for watcher in check.watchers:
            meter.check("comparing each watcher with the writes")
            findings += check.sources(watcher)
        check.collect()
        for watcher in check.watchers:
            meter.check("looking for missing events", len(check.known))
            findings += check.missing(watcher)
    except OutOfBudget as error:
        exhausted = str(error)
    facts: dict[str, int | float | str] = {
        "watchers": len(check.watchers),
        "pieces": sum(len(watcher.pieces) for watcher in check.watchers),
        "events": sum(len(piece.events) for watcher in check.watchers for piece in watcher.pieces),
        "acknowledged writes": len(check.acknowledged),
        "seconds": meter.seconds,
    }
    if findings:
        names = ", ".join(dict.fromkeys(finding.name for finding in findings))
        more = f" Not all was looked at: {exhausted}." if exhausted else ""
        return Verdict(MODEL, Answer.INVALID, f"Watchers did not hear what happened: {names}.{more}", first_of_each(findings), facts)
    if exhausted:
        return Verdict(MODEL, Answer.UNKNOWN, f"Not decided: {exhausted}.", (), facts)
    return Verdict(MODEL, Answer.VALID, "Every watcher heard every change of its range, in order, once, or was told of a gap.", (), facts)


class _Check:
    def __init__(self, history: History) -> None:
        self._others = flag(history, "other_writers")
        self.watchers = watchers(history)
        self.acknowledged: dict[int, Access] = {}
        self._writes: dict[Change, list[Access]] = {}
        """Who asked for a change, whatever came of it."""
        self._clearing: list[Access] = []
        self._doubtful: set[tuple[int, Key]] = set()
        self._first: dict[object, Operation] = {}
        """Of each command the first attempt: what a repetition was answered for may have happened before it was called."""
        for access in accesses(history, others=("watch",)):
            self._first.setdefault(access.command, access.operation)
            if access.operation.outcome is Outcome.OK and access.wrote and access.revision:
                self.acknowledged.setdefault(access.revision, access)
            for change in access.changes:
                self._writes.setdefault(change, []).append(access)
            if access.cleared:
                self._clearing.append(access)
        self.known: list[tuple[int, Change, Operation]] = []
        """Changes that certainly happened: acknowledged, or heard by somebody. By revision."""
        self._sequence: dict[int, tuple[list[Key], Operation]] = {}
        """The keys of one revision in the order in which the first watcher heard them."""

    # One watcher by itself

    def order(self, watcher: Watcher) -> Iterator[Finding]:
        last: Heard | None = None
        previous: Piece | None = None
        for piece in watcher.pieces:
            if previous is not None and previous.compacted is None and piece.first > previous.upto + 1:
                before = f"had everything up to revision {previous.upto}"
                why = f"watcher {watcher.name!r} {before} and went on at {piece.first}: nobody spoke of a gap."
                yield Finding("gap", why, operations=(previous.operation, piece.operation))
            for heard in piece.events:
                revision, change, operation = heard
                what = f"watcher {watcher.name!r} heard {_told(heard)}"
                if (twin := watcher.heard.get((revision, change.key))) is not None:
                    yield Finding(
                        "duplicate event", f"{what} twice.", change.key, tuple({id(o): o for o in (twin.operation, operation)}.values())
                    )
                    continue
                if last is not None and revision < last.revision:
                    yield Finding("out of order", f"{what} after revision {last.revision}.", change.key, (operation,))
                if revision < piece.first:
                    yield Finding("outside the watch", f"{what}, but was to begin at {piece.first}.", change.key, (operation,))
                if not within(change.key, watcher.ranges):
                    yield Finding("outside the watch", f"{what}, a key that it does not watch.", change.key, (operation,))
                watcher.heard[revision, change.key] = last = heard
            previous = piece

    # Against the writes

    def sources(self, watcher: Watcher) -> Iterator[Finding]:
        """Every event is the work of a write. One that is not says nothing about what others must have heard."""
        for heard in watcher.heard.values():
            for finding in self._source(heard, f"watcher {watcher.name!r} heard {_told(heard)}"):
                self._doubtful.add((heard.revision, heard.change.key))
                yield finding

    def _source(self, heard: Heard, what: str) -> Iterator[Finding]:
        revision, change, operation = heard
        author = self.acknowledged.get(revision)
        if author is not None:
            at = f"revision {revision} is process {author.operation.process}'s {author.operation.function}"
            if change not in author.changes and not (change.kind == "delete" and within(change.key, author.cleared)):
                yield Finding("wrong event", f"{what}, but {at}, which did not do that.", change.key, (author.operation, operation))
            elif _is_after(self._first[author.command], operation):
                yield Finding("event before its write", f"{what}, but {at}, called only later.", change.key, (operation, author.operation))
        elif not self._others:
            yield from self._unacknowledged(heard, what)

    def _unacknowledged(self, heard: Heard, what: str) -> Iterator[Finding]:
        _, change, operation = heard
        asked = list(self._writes.get(change, ()))
        if change.kind == "delete":
            asked += [access for access in self._clearing if within(change.key, access.cleared)]
        possible = [access.operation for access in asked if access.operation.outcome is not Outcome.FAILED and not access.revision]
        failed = [access.operation for access in asked if access.operation.outcome is Outcome.FAILED]
        if not possible and failed:
            yield Finding("event of a failed write", f"{what}, but the write had failed.", change.key, (failed[0], operation))
        elif not possible:
            yield Finding("phantom event", f"{what}, which nobody wrote at that revision.", change.key, (operation,))
        elif all(_is_after(author, operation) for author in possible):
            yield Finding("event before its write", f"{what}, which was asked for only later.", change.key, (operation, possible[0]))

    # Against each other

    def collect(self) -> None:
        """All that is known to have happened."""
        known: dict[tuple[int, Key], tuple[int, Change, Operation]] = {}
        for revision, access in self.acknowledged.items():
            for change in access.changes:
                known[revision, change.key] = revision, change, access.operation
        for watcher in self.watchers:
            for place, heard in watcher.heard.items():
                if place not in self._doubtful:
                    known.setdefault(place, heard)
        self.known = sorted(known.values(), key=lambda one: one[0])

    def missing(self, watcher: Watcher) -> Iterator[Finding]:
        for piece in watcher.pieces:
            begin = bisect_left(self.known, piece.first, key=lambda one: one[0])
            end = bisect_right(self.known, piece.upto, key=lambda one: one[0])
            for revision, change, operation in self.known[begin:end]:
                if not within(change.key, watcher.ranges):
                    continue
                heard = watcher.heard.get((revision, change.key))
                if heard is None:
                    known = "which another watcher heard" if operation.function == "watch" else "which was acknowledged"
                    what = f"{_told(Heard(revision, change, operation))}, {known}"
                    why = f"watcher {watcher.name!r} had everything up to revision {piece.upto}, but not {what}."
                    yield Finding("missing event", why, change.key, (operation, piece.operation))
                elif heard.change != change and operation.function == "watch":
                    why = f"watcher {watcher.name!r} heard {_told(heard)}, another watcher {_told(Heard(revision, change, operation))}."
                    yield Finding("disagreement", why, change.key, (operation, heard.operation))
        yield from self._sequences(watcher)

    def _sequences(self, watcher: Watcher) -> Iterator[Finding]:
        """The changes of one revision come in the same order everywhere."""
        by_revision: dict[int, list[Key]] = {}
        for revision, key in watcher.heard:
            by_revision.setdefault(revision, []).append(key)
        for revision, keys in by_revision.items():
            if len(keys) < 2:
                continue
            operation = watcher.heard[revision, keys[0]].operation
            first, other = self._sequence.setdefault(revision, (keys, operation))
            one, two = [key for key in first if key in keys], [key for key in keys if key in first]
            if one != two:
                why = f"watcher {watcher.name!r} heard the changes of revision {revision} in the order {two}, another watcher {one}."
                yield Finding("out of order", why, None, (other, operation))


def _is_after(author: Operation, witness: Operation) -> bool:
    return witness.returned is not None and author.called > witness.returned


def _told(heard: Heard) -> str:
    kind, key, value = heard.change
    what = f"{kind} {key!r} = {value!r}" if kind == "put" else f"{kind} {key!r}"
    return f"revision {heard.revision} ({what})"


def watchers(history: History) -> list[Watcher]:
    """All of a history, each with its pieces in the order of time. A piece without an answer brought nothing."""
    found: dict[object, Watcher] = {}
    for operation in history.operations:
        if operation.function != "watch":
            continue
        try:
            name, selector, _ = parts(operation.argument, 3)
            ranges = [_bounds(parts(selector))]
            piece = _piece(operation) if operation.outcome is Outcome.OK else None
        except (TypeError, ValueError, IndexError):
            raise BadHistory(history.source, operation.line, f"{operation!r:.200} cannot be read: watch is {FORM}") from None
        watcher = found.setdefault(name, Watcher(name, ranges))
        if watcher.ranges != ranges:
            raise BadHistory(history.source, operation.line, f"watcher {name!r} goes on with another selector, {selector!r}")
        if piece is None:
            continue
        if watcher.pieces and operation.called < (watcher.pieces[-1].operation.returned or 0):
            raise BadHistory(history.source, operation.line, f"watcher {name!r} goes on before its last piece has ended")
        watcher.pieces.append(piece)
    return list(found.values())


def _bounds(selector: tuple[object, ...]) -> Bounds:
    match selector:
        case ("key", str() | bytes() as key):
            return encoded(key), encoded(key) + b"\0"
        case ("prefix", str() | bytes() as prefix):
            return prefix_bounds(prefix)
        case ("range", str() | bytes() as start, str() | bytes() as end):
            return bounds_of(start, end)
    raise ValueError("a selector")


def _piece(operation: Operation) -> Piece:
    first, upto, events, compacted = parts(operation.result, 4)
    heard = []
    for event in parts(events):
        revision, kind, key, value = parts(event, 4)
        if kind not in ("put", "delete"):
            raise ValueError("an event")
        heard.append(Heard(number(revision), Change(str(kind), key_of(key), value), operation))
    return Piece(operation, number(first), number(upto), heard, None if compacted is None else number(compacted))
