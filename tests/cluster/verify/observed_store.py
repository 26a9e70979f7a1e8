"""A key-value store with revisions, sessions and watchers in one thread, and clients that use it: histories for tests.

What the store does wrong, if anything, is chosen by name.
"""

from random import Random

from quorate.cluster.verify.history import History, Operation, Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
Event = tuple[int, str, str, object]
BUGS = (
    "applied twice",
    "lost write",
    "stale reads",
    "failed write applied",
    "gap",
    "duplicate event",
    "missing event",
    "phantom event",
    "reordered",
)


class Store:
    """`states[r]` is what revision r had: key: (value, revision, version)."""

    def __init__(self, random: Random, bug: str = "") -> None:
        self.random = random
        self.bug = bug
        self.states: list[dict[str, tuple[object, int, int]]] = [{}]
        self.log: list[Event] = []
        self.answers: dict[tuple[object, ...], int] = {}
        self.compacted = 0

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def broken(self, bug: str, chance: float = 0.1) -> bool:
        return self.bug == bug and self.random.random() < chance

    def write(self, changes: list[tuple[str, str, object]]) -> int:
        state, revision = dict(self.states[-1]), self.revision + 1
        for kind, key, value in changes:
            if kind == "put":
                state[key] = (value, revision, state.get(key, (None, 0, 0))[2] + 1)
            else:
                del state[key]
            self.log.append((revision, kind, key, value))
        self.states.append(state)
        return revision

    def carry_out(self, function: str, key: str | None, argument: object) -> object:
        """The answer. A copy of a named write is answered as the first was."""
        state = self.states[-1]
        if self.broken("stale reads") and function in ("get", "range"):
            state = self.states[max(0, self.revision - self.random.randint(1, 5))]
        match function, argument:
            case "put", value:
                if self.broken("lost write"):
                    self.states.append(dict(state))
                    return self.revision
                return self.write([("put", str(key), value)])
            case "write", (session, sequence, value):
                if (session, sequence) not in self.answers or self.broken("applied twice", 0.5):
                    self.answers[session, sequence] = self.write([("put", str(key), value)])
                return self.answers[session, sequence]
            case "delete", _:
                there = key in state
                return (1, self.write([("delete", str(key), None)])) if there else (0, self.revision)
            case "cas", (expected, value):
                if state.get(str(key), (None,))[0] != expected:
                    return False, self.revision
                return True, self.write([("put", str(key), value)])
            case "get", _:
                return state.get(str(key))
            case "range", (start, end, _):
                items = tuple((k, *item) for k, item in sorted(state.items()) if start <= k < end)
                return items, len(items), max((r for r, s in enumerate(self.states) if s is state), default=0)
            case "txn", (_, then, _):
                return True, tuple(None for _ in then), self.write([("put", k, v) for _, k, v in then])
        raise AssertionError(function)


class Watching:
    """One watcher of the store, over its pieces."""

    def __init__(self, store: Store, name: str, start: str, end: str) -> None:
        self.store, self.name, self.start, self.end = store, name, start, end
        self.next = store.random.randint(1, store.revision + 1)
        self.partial = 0
        """So many events of revision `next` were heard already."""

    @property
    def argument(self) -> object:
        return self.name, ("range", self.start, self.end), self.next

    def listen(self) -> object:
        store, first = self.store, self.next
        if first <= store.compacted:
            self.next, self.partial = store.compacted + 1, 0
            return first, first - 1, (), store.compacted
        upto = store.random.randint(first - 1, store.revision) if first <= store.revision else first - 1
        events = [event for event in store.log if first <= event[0] <= upto and self.start <= event[2] < self.end]
        if events and events[0][0] == first:
            events = events[self.partial :]
        more = [event for event in store.log if event[0] == upto + 1 and self.start <= event[2] < self.end]
        begin = self.partial if upto + 1 == first else 0
        take = store.random.randint(begin, len(more)) if more and upto < store.revision else begin
        events += more[begin:take]
        self.next, self.partial = upto + 1, take
        return first, upto, tuple(self.bend(events)), None

    def bend(self, events: list[Event]) -> list[Event]:
        store = self.store
        if events and store.broken("duplicate event"):
            events = [*events, events[-1]]
        if len(events) > 1 and store.broken("missing event"):
            del events[len(events) // 2 - 1]
        if len({event[0] for event in events}) > 1 and store.broken("reordered"):
            events = [events[-1], *events[:-1]]
        if events and store.broken("phantom event"):
            events = [*events, (events[-1][0], "put", self.start + "~", "nobody's")]
        if store.broken("gap"):
            self.next, self.partial = self.next + 2, 0
        return events


class Client:
    """One session; another process after each unknown outcome."""

    def __init__(self, number: int, store: Store) -> None:
        self.number, self.process, self.store = number, number, store
        self.sequence = 0
        self.values = 0
        self.open: tuple[str, str | None, object, int] | None = None
        self.answer: object = None
        self.is_done = False
        self.retry: tuple[str, str | None, object] | None = None
        self.watching: Watching | None = None

    def choose(self) -> tuple[str, str | None, object]:
        random = self.store.random
        if self.retry is not None:
            return self.retry
        key = random.choice("abcd")
        self.values += 1
        value = f"{self.number}.{self.values}"
        function = random.choice(("put", "write", "write", "delete", "cas", "get", "get", "range", "txn", "watch", "watch"))
        match function:
            case "put":
                return function, key, value
            case "write":
                self.sequence += 1
                return function, key, (f"s{self.number}", self.sequence, value)
            case "cas":
                return function, key, (self.store.states[-1].get(key, (None,))[0], value)
            case "range":
                return function, None, ("a", random.choice("cz"), 0)
            case "txn":
                return function, None, ((), (("put", "a", value), ("put", "d", value)), ())
            case "watch":
                if self.watching is None or random.random() < 0.2:
                    self.watching = Watching(
                        self.store, f"w{self.number}.{self.values}", *random.choice((("a", "z"), ("a", "c"), ("d", "e")))
                    )
                return function, None, self.watching.argument
        return function, key, None


def observed(random: Random, steps: int, clients: int = 4, bug: str = "") -> History:
    """A run of so many steps: calls, effects, returns, and effects of those whose clients gave up waiting."""
    store = Store(random, bug)
    everybody = [Client(number, store) for number in range(clients)]
    late: list[tuple[str, str | None, object]] = []
    done: list[Operation] = []
    processes = clients
    for position in range(steps):
        if late and random.random() < 0.1:
            store.carry_out(*late.pop(random.randrange(len(late))))
        if random.random() < 0.01:
            store.compacted = random.randint(store.compacted, store.revision)
        client = random.choice(everybody)
        if client.open is None:
            client.open = (*client.choose(), position)
            client.is_done = False
            continue
        function, key, argument, called = client.open
        if not client.is_done:
            if random.random() < 0.1 and function not in ("get", "range", "watch"):
                if random.random() < 0.5:
                    # Gave up before it took effect, if it ever will.
                    if random.random() < 0.6:
                        late.append((function, key, argument))
                    client.retry = (function, key, argument) if function == "write" else None
                    done.append(Operation(client.process, function, key, argument, None, UNKNOWN, called, None, line=called + 1))
                    client.process, processes = processes, processes + 1
                else:
                    if store.broken("failed write applied", 0.7):
                        store.carry_out(function, key, argument)
                    client.retry = None
                    done.append(Operation(client.process, function, key, argument, None, FAILED, called, position, line=called + 1))
                client.open = None
                continue
            is_watch = function == "watch" and client.watching is not None
            client.answer = client.watching.listen() if is_watch and client.watching else store.carry_out(function, key, argument)
            client.is_done = True
            continue
        done.append(Operation(client.process, function, key, argument, client.answer, OK, called, position, line=called + 1))
        client.open = client.retry = None
    for client in everybody:
        if client.open is not None:
            function, key, argument, called = client.open
            done.append(Operation(client.process, function, key, argument, None, UNKNOWN, called, None, line=called + 1))
    return History(tuple(sorted(done, key=lambda operation: operation.called)), {"sessions": ()})
