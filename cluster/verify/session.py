"""Sessions: a write takes effect once, however often it is sent, and a session never goes back in time.

The form is that of `changes`, with the pieces of watchers beside it (see `watching`). A session is a process; the fact `sessions`,
((process, session), ...), joins processes that are one client; a `write` says itself to which session its process belongs.
Fact `initial`: the pairs ((key, value), ...) that were there before; of these values it is not said how often they were written.
Fact `other_writers`: true if keys were written by somebody who was not recorded, before or during the run; then nothing is said
about how often a write took effect, nor of a key that is gone.

The rules it keeps:
- Exactly once. A revision at which a key was set to a value is one effect. There are never more of them, in answers, reads and
  watches together, than commands that may have set that value; an acknowledged one has the revision of its answer, every
  repetition of it the same; and no state from that revision on lacks it.
- Read your writes, monotonic reads, monotonic writes, writes follow reads (Terry and others, 1994), by revisions: an operation is
  compared with all that its session had been answered when it was called.
"""

from bisect import bisect_right, insort
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from quorate.cluster.verify.changes import Access, Change, Key, accesses, key_of, parts, within
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.facts import flag
from quorate.cluster.verify.findings import first_of_each
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.meter import Meter, OutOfBudget
from quorate.cluster.verify.verdict import Answer, Budget, Finding, Verdict
from quorate.cluster.verify.watching import watchers

MODEL = "session"


def check_sessions(history: History, budget: Budget) -> Verdict:
    """BadHistory for operations of another form, and for one (session, sequence) of two different commands."""
    meter = Meter(budget)
    found = list(accesses(history, others=("watch",)))
    try:
        sessions = _sessions(history, found)
        before = {Change("put", key_of(key), value) for key, value in map(parts, parts(history.facts.get("initial") or ()))}
    except (TypeError, ValueError, IndexError):
        problem = "of a session history `sessions` is the pairs ((process, session), ...), `initial` is ((key, value), ...)"
        raise BadHistory(history.source, 1, problem) from None
    has_others = flag(history, "other_writers")
    findings: list[Finding] = []
    exhausted = ""
    try:
        findings += _answers(history, found)
        if not has_others:
            meter.check("counting the effects of each write")
            findings += _effects(history, found, before)
        meter.check("looking for lost writes")
        deleters = _Deleters(found, has_others)
        findings += _Lost(found, deleters).findings(meter)
        first_calls: dict[object, int] = {}
        for access in found:
            first_calls.setdefault(access.command, access.operation.called)
        for name, members in sessions.items():
            meter.check("following each session")
            findings += _Session(name, deleters, first_calls).findings(members)
    except OutOfBudget as error:
        exhausted = str(error)
    facts: dict[str, int | float | str] = {"operations": len(history.operations), "sessions": len(sessions), "seconds": meter.seconds}
    if findings:
        names = ", ".join(dict.fromkeys(finding.name for finding in findings))
        more = f" Not all was looked at: {exhausted}." if exhausted else ""
        return Verdict(MODEL, Answer.INVALID, f"Sessions were not kept: {names}.{more}", first_of_each(findings), facts)
    if exhausted:
        return Verdict(MODEL, Answer.UNKNOWN, f"Not decided: {exhausted}.", (), facts)
    return Verdict(MODEL, Answer.VALID, "No write took effect twice or was lost, and no session went back.", (), facts)


def _sessions(history: History, found: list[Access]) -> dict[Hashable, list[Access]]:
    """The answered operations of each session, in the order of their calls."""
    joined: dict[object, object] = {}
    for pair in parts(history.facts.get("sessions", ())):
        process, session = parts(pair, 2)
        joined[process] = session
    sessions: dict[Hashable, list[Access]] = {}
    for access in found:
        if access.operation.function == "write":
            joined.setdefault(access.operation.process, parts(access.operation.argument)[0])
    for access in found:
        operation = access.operation
        if operation.outcome is Outcome.OK:
            name = joined.get(operation.process, f"process {operation.process}")
            sessions.setdefault(name, []).append(access)
    return sessions


# Exactly once


def _answers(history: History, found: list[Access]) -> Iterator[Finding]:
    """Repetitions are answered alike, and no revision is given to two commands."""
    named: dict[object, Access] = {}
    answered: dict[object, Access] = {}
    made: dict[int, Access] = {}
    for access in found:
        operation, command = access.operation, access.command
        if operation.function == "write":
            first = named.setdefault(command, access)
            if first.changes != access.changes:
                problem = f"{command!r} names another command than on line {first.operation.line}: {first.changes} and {access.changes}"
                raise BadHistory(history.source, operation.line, problem)
        if operation.outcome is not Outcome.OK or not access.wrote or not access.revision:
            continue
        before = answered.setdefault(command, access)
        if before.revision != access.revision:
            why = f"{_author(access)} was answered with revision {before.revision}, and, repeated, with {access.revision}."
            yield Finding("retry answered differently", why, operation.key, (before.operation, operation))
        other = made.setdefault(access.revision, access)
        if other.command != command:
            why = f"{_author(other)} and {_author(access)} both were answered with revision {access.revision}."
            yield Finding("one revision, two writes", why, operation.key, (other.operation, operation))


def _effects(history: History, found: list[Access], before: set[Change]) -> Iterator[Finding]:
    """No more revisions at which a key got a value than commands that may have given it, but for values of `before`."""
    seen: dict[Change, dict[int, Operation]] = {}
    commands: dict[Change, dict[object, Operation]] = {}
    failed: dict[Change, Operation] = {}
    for access in found:
        operation = access.operation
        for change in access.changes:
            if operation.outcome is Outcome.FAILED:
                failed.setdefault(change, operation)
                continue
            commands.setdefault(change, {}).setdefault(access.command, operation)
            if access.revision and change.kind == "put":
                seen.setdefault(change, {}).setdefault(access.revision, operation)
        for key, revision, value in access.sightings:
            if revision:
                seen.setdefault(Change("put", key, value), {}).setdefault(revision, operation)
    for watcher in watchers(history):
        for piece in watcher.pieces:
            for revision, change, operation in piece.events:
                if change.kind == "put":
                    seen.setdefault(change, {}).setdefault(revision, operation)
    for change, revisions in seen.items():
        if change in before:
            continue
        authors = commands.get(change, {})
        operations = (*authors.values(), *revisions.values())
        what = (
            f"{change.key!r} was set to {change.value!r} at revision{'s' * (len(revisions) > 1)} {', '.join(map(str, sorted(revisions)))}"
        )
        if authors and len(revisions) > len(authors):
            why = f"{what}, but only {len(authors)} command{'s' * (len(authors) > 1)} may have done so."
            yield Finding("applied twice", why, change.key, tuple({operation.called: operation for operation in operations}.values()))
        elif not authors and change in failed:
            yield Finding("failed write applied", f"{what}, but the write had failed.", change.key, (failed[change], *operations))
        elif not authors:
            yield Finding("phantom write", f"{what}, but nobody wrote that.", change.key, operations)


class _Lost:
    """Acknowledged writes that a state from their revision on does not have."""

    def __init__(self, found: list[Access], deleters: "_Deleters") -> None:
        self._found = found
        self._deleters = deleters
        self._written: dict[Key, list[tuple[int, int]]] = {}
        """Key: (revision, place in `found`), in order: the acknowledged changes."""
        for place, access in enumerate(found):
            if access.operation.outcome is Outcome.OK and access.revision:
                for change in access.changes:
                    insort(self._written.setdefault(change.key, []), (access.revision, place))

    def findings(self, meter: Meter) -> Iterator[Finding]:
        for access in self._found:
            if not access.revision or access.wrote:
                continue  # what a transaction read, it read before it wrote
            meter.check("looking for lost writes")
            shown = {sighting.key: sighting.revision for sighting in access.sightings}
            for key in [key for key in self._written if within(key, access.covered)] if access.covered else shown:
                yield from self._missing(access, key, shown.get(key, 0))

    def _missing(self, access: Access, key: Key, shown: int) -> Iterator[Finding]:
        written = self._written.get(key, [])
        place = bisect_right(written, (access.revision, len(self._found))) - 1
        if place < 0 or written[place][0] <= shown:
            return
        revision, author = written[place][0], self._found[written[place][1]]
        if shown == 0 and (author.may_delete(key) or self._deleters.may_have_deleted(key, revision, access)):
            return
        what = f"at revision {shown}" if shown else "absent"
        why = f"process {access.operation.process} read the state of revision {access.revision} with {key!r} {what}"
        yield Finding("lost write", f"{why}, but {_author(author)} had revision {revision}.", key, (author.operation, access.operation))


# Sessions in time


class _Deleters:
    """Who may have deleted a key."""

    def __init__(self, found: list[Access], others: bool) -> None:
        self._others = others
        self._deleting = [access for access in found if access.operation.outcome is not Outcome.FAILED and access.wrote]
        self._deleting = [access for access in self._deleting if access.cleared or any(c.kind == "delete" for c in access.changes)]

    def may_have_deleted(self, key: Key, since: int, seen: Access) -> bool:
        """After revision `since`, and before what was seen: called before it returned, and at no later revision than its own."""
        return self._others or any(
            access.may_delete(key)
            and not 0 < access.revision <= since
            and (not seen.revision or access.revision <= seen.revision)
            and access.operation.called < (seen.operation.returned or 0)
            for access in self._deleting
        )


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a session has come, and by what."""

    revision: int = 0
    access: Access | None = None


@dataclass(slots=True)
class _Session:
    name: Hashable
    deleters: _Deleters
    first_calls: dict[object, int]
    """Of each command: a repetition is answered with the revision of the first."""
    store: _Mark = _Mark()
    """Of the store as a whole ..."""
    keys: dict[Key, _Mark] = field(default_factory=dict)
    """... and of each key."""

    def findings(self, members: list[Access]) -> Iterator[Finding]:
        waiting = sorted(members, key=lambda access: access.operation.returned or 0)
        absorbed = 0
        for access in members:
            while absorbed < len(waiting) and (waiting[absorbed].operation.returned or 0) < access.operation.called:
                self._absorb(waiting[absorbed])
                absorbed += 1
            yield from self._judge(access)

    def _absorb(self, access: Access) -> None:
        reached = max((access.revision, *(sighting.revision for sighting in access.sightings)))
        if reached > self.store.revision:
            self.store = _Mark(reached, access)
        marks = [(change.key, access.revision) for change in access.changes]
        marks += [(sighting.key, sighting.revision) for sighting in access.sightings]
        for key, revision in marks:
            if revision > self.keys.get(key, _Mark()).revision:
                self.keys[key] = _Mark(revision, access)

    def _judge(self, access: Access) -> Iterator[Finding]:
        if access.revision and self.store.access is not None:
            is_first = self.first_calls[access.command] == access.operation.called
            if access.wrote and is_first and access.revision <= self.store.revision:
                name = "monotonic writes" if self.store.access.wrote else "writes follow reads"
                yield self._back(name, access, self.store, None, f"{_author(access)} had revision {access.revision}")
            elif not access.wrote and access.revision < self.store.revision:
                what = f"{_author(access)} was answered from revision {access.revision}"
                yield self._back(self._reading(self.store), access, self.store, None, what)
        shown = {sighting.key: sighting.revision for sighting in access.sightings}
        if access.covered:
            shown |= {key: 0 for key in self.keys if key not in shown and within(key, access.covered)}
        for key, revision in shown.items():
            mark = self.keys.get(key, _Mark())
            if revision >= mark.revision or (not revision and self._may_be_gone(key, mark, access)):
                continue
            what = f"{_author(access)} saw {key!r} " + (f"at revision {revision}" if revision else "absent")
            yield self._back(self._reading(mark), access, mark, key, what)

    def _may_be_gone(self, key: Key, mark: _Mark, access: Access) -> bool:
        own = mark.access is not None and mark.access.revision == mark.revision and mark.access.may_delete(key)
        return own or self.deleters.may_have_deleted(key, mark.revision, access)

    def _reading(self, mark: _Mark) -> str:
        return "read your writes" if mark.access is not None and mark.access.wrote else "monotonic reads"

    def _back(self, name: str, access: Access, mark: _Mark, key: Key | None, what: str) -> Finding:
        assert mark.access is not None, mark
        before = f"{_author(mark.access)}, answered before that in the same session ({self.name}), was at revision {mark.revision}"
        return Finding(name, f"{what}, but {before}.", key, (mark.access.operation, access.operation))


def _author(access: Access) -> str:
    operation = access.operation
    key = "" if operation.key is None else f" of {operation.key!r}"
    name = " as {!r}/{!r}".format(*parts(operation.argument)[:2]) if operation.function == "write" else ""
    return f"process {operation.process}'s {operation.function}{key}{name}"
