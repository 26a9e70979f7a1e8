"""Who must come before whom, and the sentence that says why. Adya's dependencies, and two orders of the clients.

The rule it keeps: an edge is there only if every execution that explains the history has it. Nodes are the transactions that
committed. ww: the next append to a key; wr: read its last append; rw: read the version that it followed. An append that nobody
read comes after the longest read of its key. The real-time order goes through one way station for each moment between returns
and calls, what many readers owe to many unread appends through one for each append: so the size stays linear.
"""

from itertools import pairwise

from quorate.cluster.verify.graph import ONWARD, PROCESS, REALTIME, RW, WR, WW, Graph
from quorate.cluster.verify.transactions import Transaction
from quorate.cluster.verify.verdict import Edge
from quorate.cluster.verify.versions import Evidence, Versions, shown

KIND_NAMES = {WW: "ww", WR: "wr", RW: "rw", PROCESS: "process", REALTIME: "realtime"}


class Dependencies:
    """`graph`, whose node i is `transactions[i]`."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.transactions = [transaction for transaction in evidence.transactions.all if transaction.committed]
        self.graph = Graph(len(self.transactions))
        self._node = {transaction.number: node for node, transaction in enumerate(self.transactions)}
        for versions in evidence.versions.values():
            self._order(versions)
            self._unseen(versions)
        self._clients()

    def _order(self, versions: Versions) -> None:
        node, add = self._node, self.graph.add
        chain = [node[writer] for writer in versions.writers]
        for before, after in pairwise(chain):
            if before != after:
                add(before, WW, after)
        for read in versions.reads:
            if read.external < 0:
                continue
            reader, position = node[read.transaction], versions.position(read)
            if position and (writer := chain[position - 1]) != reader and self._is_final(versions, position - 1):
                add(writer, WR, reader)
            if position < len(chain) and chain[position] != reader:
                add(reader, RW, chain[position])

    def _is_final(self, versions: Versions, index: int) -> bool:
        """Is this the writer's last append to the key? A read that ends before is reported as G1b, and gives no edge."""
        appended = self.transactions[self._node[versions.writers[index]]].appends[versions.key]
        return bool(appended[-1] == versions.values[index])

    def _unseen(self, versions: Versions) -> None:
        """The last one that was read precedes all of these, and so does everybody who read the longest version."""
        graph, chain = self.graph, versions.writers
        unseen = [self._node[number] for number in versions.unseen]
        if chain:
            last = self._node[chain[-1]]
            for writer in unseen:
                if writer != last:
                    graph.add(last, WW, writer)
        readers = {self._node[read.transaction] for read in versions.reads if read.external >= 0 and versions.position(read) == len(chain)}
        if not readers or not unseen:
            return
        # Stations up lead to all unseen from theirs on, stations down to all until theirs: a reader that is one of them
        # leaves itself out between the two.
        up = [graph.station() for _ in unseen]
        down = [graph.station() for _ in unseen]
        for index, writer in enumerate(unseen):
            graph.add(up[index], ONWARD, writer)
            graph.add(down[index], ONWARD, writer)
            if index:
                graph.add(up[index - 1], ONWARD, up[index])
                graph.add(down[index], ONWARD, down[index - 1])
        where = {writer: index for index, writer in enumerate(unseen)}
        for reader in sorted(readers):
            own = where.get(reader, -1)
            if own + 1 < len(unseen):
                graph.add(reader, RW, up[own + 1])
            if own > 0:
                graph.add(reader, RW, down[own - 1])

    def _clients(self) -> None:
        """Calls and returns in the order of time."""
        graph = self.graph
        events = []
        for node, transaction in enumerate(self.transactions):
            operation = transaction.operation
            events.append((operation.called, node, False))
            if operation.returned is not None:
                events.append((operation.returned, node, True))
        events.sort()
        station, gathering = -1, False
        last_of: dict[int, int] = {}
        for _, node, returned in events:
            process = self.transactions[node].operation.process
            if returned:
                if not gathering:
                    before, station, gathering = station, graph.station(), True
                    if before >= 0:
                        graph.add(before, ONWARD, station)
                graph.add(node, REALTIME, station)
                last_of[process] = node
            else:
                gathering = False
                if station >= 0:
                    graph.add(station, ONWARD, node)
                if process in last_of:
                    graph.add(last_of[process], PROCESS, node)

    # Sentences

    def edge(self, source: int, kind: int, target: int) -> Edge:
        one, other = self.transactions[source], self.transactions[target]
        return Edge(one.operation, KIND_NAMES[kind], other.operation, self._reason(one, kind, other))

    def _reason(self, one: Transaction, kind: int, other: Transaction) -> str:
        if kind == PROCESS:
            return f"Process {one.operation.process} called {other.name} after {one.name} had returned to it."
        if kind == REALTIME:
            return (
                f"{one.name} had returned to process {one.operation.process} before process {other.operation.process} called {other.name}."
            )
        keys = one.appends if kind != RW else {read.key: None for read in one.reads}
        for key in keys:
            versions = self._evidence.versions.get(key)
            reason = versions and {WW: self._ww, WR: self._wr, RW: self._rw}[kind](one, other, versions)
            if reason:
                return reason
        raise AssertionError(f"no reason why {one.name} {KIND_NAMES[kind]} {other.name}")

    def _ww(self, one: Transaction, other: Transaction, versions: Versions) -> str:
        writers, values, key = versions.writers, versions.values, versions.key
        for index in range(1, len(writers)):
            if writers[index - 1] == one.number and writers[index] == other.number:
                evidence = self._witness(versions, values[index])
                before = f"{one.name}'s {values[index - 1]!r}"
                return f"{other.name} appended {values[index]!r} to {key!r} right after {before}, as {evidence} shows."
        if writers and writers[-1] == one.number and other.number in versions.unseen:
            mine = self._unread(other, versions)
            evidence = self._witness(versions, values[-1])
            lacks = f"{evidence} ends with {one.name}'s {values[-1]!r} and lacks it"
            return f"{other.name} appended {mine!r} to {key!r}; {lacks}, so it came later."
        return ""

    def _wr(self, one: Transaction, other: Transaction, versions: Versions) -> str:
        for read in other.reads:
            if read.key != versions.key or read.external < 0:
                continue
            position = versions.position(read)
            if position and versions.writers[position - 1] == one.number:
                seen = shown(read.value[: read.external])
                made = f"{one.name}'s append of {versions.values[position - 1]!r}"
                return f"{other.name} read {versions.key!r} as {seen}, which {made} had made."
        return ""

    def _rw(self, one: Transaction, other: Transaction, versions: Versions) -> str:
        for read in one.reads:
            if read.key != versions.key or read.external < 0:
                continue
            position = versions.position(read)
            what = f"{one.name} read {read.key!r} as {shown(read.value)}"
            if position < len(versions.writers) and versions.writers[position] == other.number:
                value = versions.values[position]
                return f"{what} and did not see {value!r}, which {other.name} appended next, as {self._witness(versions, value)} shows."
            if position == len(versions.writers) and other.number in versions.unseen:
                return f"{what} and did not see {self._unread(other, versions)!r}, which {other.name} appended."
        return ""

    def _witness(self, versions: Versions, value: object) -> str:
        assert versions.longest is not None, versions
        read = versions.longest
        name = self._evidence.transactions.all[read.transaction].name
        return f"{name}'s read {shown(read.value, read.value.index(value))}"

    def _unread(self, writer: Transaction, versions: Versions) -> object:
        return next(value for value in writer.appends[versions.key] if value not in versions.values)
