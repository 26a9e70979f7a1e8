"""What single reads show: the order of each key's versions, and the anomalies that need no cycle.

The rule it keeps: a key's versions are ordered by its longest read, and only if every other read is a prefix of it. A key whose
reads contradict each other, or a transaction's own order, or repeat a value, is reported and gives no dependencies: nothing is
concluded from a contradiction.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from quorate.cluster.verify.transactions import Key, List, Read, Transaction, Transactions
from quorate.cluster.verify.verdict import Finding

SHOWN_MAX = 6
"""Elements of a list that a sentence repeats."""
TAKING_PART_MAX = 12
"""Operations listed with one finding."""


@dataclass(slots=True)
class Versions:
    """One key whose reads agree."""

    key: Key
    longest: Read | None
    """None where nobody read the key."""
    writers: list[int]
    """Who appended the elements of the longest read, in order; appends that did not commit are left out ..."""
    values: List
    """... as they are here."""
    rank: list[int] | None
    """For each length of a read, how many committed elements it holds; None where that is the length itself."""
    unseen: list[int]
    """Who committed appends that are in no read: they come after the longest one, in an order that nobody knows."""
    reads: list[Read]

    def position(self, read: Read) -> int:
        """How many committed elements came before the transaction's own, as it saw it."""
        return read.external if self.rank is None else self.rank[read.external]


class Evidence:
    """All keys of a history: `versions` of those that agree, `findings` of what is wrong already."""

    def __init__(self, transactions: Transactions) -> None:
        self.transactions = transactions
        self.findings: list[Finding] = []
        self.versions: dict[Key, Versions] = {}
        for transaction in transactions.all:
            self.findings += self._internal(transaction)
        for key in dict.fromkeys((*transactions.reads, *transactions.writers)):
            self._judge(key, transactions.reads.get(key, []))

    def _judge(self, key: Key, reads: list[Read]) -> None:
        longest = max(reads, key=lambda read: len(read.value), default=None)
        values = longest.value if longest else ()
        apart = [read for read in reads if values[: len(read.value)] != read.value]
        if apart and longest:
            self.findings.append(self._incompatible(key, longest, apart))
        suspects = [*apart, longest] if longest else apart
        repeated = [read for read in suspects if len(set(read.value)) < len(read.value)]
        if repeated:
            self.findings.append(self._duplicate(key, repeated))
        self.findings += self._foreign(key, reads, suspects)
        self.findings += self._intermediate(key, reads)
        disordered = list(self._disordered(key, longest)) if longest and not repeated else []
        self.findings += disordered
        if not (apart or repeated or disordered):
            self.versions[key] = self._order(key, longest, reads)
            self.findings += self._lost_updates(self.versions[key])

    def _order(self, key: Key, longest: Read | None, reads: list[Read]) -> Versions:
        everyone, writers = self.transactions.all, self.transactions.writers.get(key, {})
        seen = longest.value if longest else ()
        kept = [value for value in seen if value in writers and everyone[writers[value]].committed]
        rank = None
        if len(kept) < len(seen):
            rank = [0]
            for value in seen:
                rank.append(rank[-1] + (value in writers and everyone[writers[value]].committed))
        later = writers.keys() - set(seen) if len(writers) > len(kept) else ()
        unseen = sorted({writers[value] for value in later if everyone[writers[value]].committed})
        return Versions(key, longest, [writers[value] for value in kept], tuple(kept), rank, unseen, reads)

    # Anomalies

    def _internal(self, transaction: Transaction) -> Iterator[Finding]:
        """A transaction sees its own appends, and otherwise what it saw before."""
        if not transaction.reads:
            return
        own: dict[Key, list[object]] = {}
        before: dict[Key, List] = {}
        for (function, key, _), (_, _, result) in zip(transaction.operation.argument, transaction.operation.result):  # type: ignore[call-overload]
            if function == "append":
                own.setdefault(key, []).append(result)
                continue
            value: List = result or ()
            mine = tuple(own.get(key, ()))
            others = value[: len(value) - len(mine)]
            all_mine = transaction.appends.get(key)
            if value[len(others) :] != mine or len(value) < len(mine):
                why = f"{transaction.name} had appended {shown(mine)} to {key!r} and then read {shown(value)}."
                yield self._finding("internal", why, key, [transaction])
            elif all_mine and not set(all_mine).isdisjoint(others):
                why = f"{transaction.name} read {key!r} as {shown(value)}: there are appends in it that it only made later."
                yield self._finding("internal", why, key, [transaction])
            elif before.get(key, others) != others:
                why = f"{transaction.name} read {key!r} twice: what others had appended was {shown(before[key])}, then {shown(others)}."
                yield self._finding("non-repeatable read", why, key, [transaction])
            before[key] = others

    def _incompatible(self, key: Key, longest: Read, apart: list[Read]) -> Finding:
        read = apart[0]
        at = next((i for i, pair in enumerate(zip(read.value, longest.value)) if pair[0] != pair[1]), len(longest.value))
        one, other = self._reader(read), self._reader(longest)
        why = (
            f"{one.name} read {key!r} as {shown(read.value, at)}, {other.name} as {shown(longest.value, at)}: "
            f"neither is the beginning of the other from position {at + 1} on, so no order of appends gives both."
        )
        return self._finding("incompatible order", why, key, [one, other, *map(self._reader, apart[1:])])

    def _duplicate(self, key: Key, repeated: list[Read]) -> Finding:
        read = repeated[0]
        twice = next(value for index, value in enumerate(read.value) if value in read.value[:index])
        reader = self._reader(read)
        taking_part = [reader]
        why = f"{reader.name} read {key!r} as {shown(read.value)}, with {twice!r} more than once, but it was appended once only."
        if twice in self.transactions.writers.get(key, {}):
            taking_part.insert(0, self._writer(key, twice))
        return self._finding("duplicate write", why, key, taking_part)

    def _foreign(self, key: Key, reads: list[Read], suspects: list[Read]) -> Iterator[Finding]:
        """G1a, dirty updates and values from nowhere: elements that no committed transaction appended."""
        writers, everyone = self.transactions.writers.get(key, {}), self.transactions.all
        reported: set[object] = set()
        for suspect in suspects:
            for index, value in enumerate(suspect.value):
                writer = everyone[writers[value]] if value in writers else None
                if (writer and writer.committed) or value in reported:
                    continue
                reported.add(value)
                readers = [self._reader(read) for read in reads if value in read.value]
                first = readers[0]
                if writer is None:
                    why = f"{first.name} read {value!r} in {key!r}, which nobody appended."
                    yield self._finding("garbage read", why, key, readers)
                    continue
                why = f"{first.name} read {value!r} in {key!r}, which {writer.name} appended, and {writer.name} was aborted."
                yield self._finding("G1a", why, key, [writer, *readers])
                upon = [v for v in suspect.value[index + 1 :] if v in writers and everyone[writers[v]].committed]
                if upon:
                    committed = self._writer(key, upon[0])
                    why = f"{committed.name} committed {upon[0]!r} to {key!r} on top of {value!r}, which {writer.name} took back."
                    yield self._finding("dirty update", why, key, [writer, committed, first])

    def _intermediate(self, key: Key, reads: list[Read]) -> Iterator[Finding]:
        writers, everyone = self.transactions.writers.get(key, {}), self.transactions.all
        for read in reads:
            if read.external <= 0 or (last := read.value[read.external - 1]) not in writers:
                continue
            writer, reader = everyone[writers[last]], self._reader(read)
            appended = writer.appends[key]
            if writer is not reader and writer.committed and last != appended[-1]:
                why = (
                    f"{reader.name} read {key!r} up to {last!r}, which {writer.name} appended before {appended[-1]!r}: half a transaction."
                )
                yield self._finding("G1b", why, key, [writer, reader])

    def _disordered(self, key: Key, longest: Read) -> Iterator[Finding]:
        """A transaction's own appends come in the order in which it made them, and none is left out: no edge between two shows that."""
        writers, seen = self.transactions.writers.get(key, {}), dict[int, int]()
        for value in longest.value:
            if value not in writers:
                continue
            writer = self._writer(key, value)
            place = seen.get(writer.number, 0)
            seen[writer.number] = place + 1
            if writer.appends[key][place] != value:
                what = f"{self._reader(longest).name} read {key!r} as {shown(longest.value, longest.value.index(value))}"
                why = f"{what}, but {writer.name} had appended {shown(writer.appends[key])}, in this order."
                yield self._finding("incompatible order", why, key, [writer, self._reader(longest)])
                return

    def _lost_updates(self, versions: Versions) -> Iterator[Finding]:
        """Several read the same version of a key and then appended to it: all but the first did not see what they wrote over."""
        upon: dict[int, list[Transaction]] = {}
        for read in versions.reads:
            reader = self._reader(read)
            if versions.key in reader.appends and read.external >= 0:
                group = upon.setdefault(versions.position(read), [])
                if reader not in group[-1:]:
                    group.append(reader)
        for position, group in upon.items():
            if len(group) > 1:
                version = f"{versions.values[position - 1]!r} the last in it" if position else "nothing in it"
                names = ", ".join(transaction.name for transaction in group[:SHOWN_MAX]) + (", ..." if len(group) > SHOWN_MAX else "")
                why = f"{names} all read {versions.key!r} with {version} and appended to it: only one of them can have been the next."
                yield self._finding("lost update", why, versions.key, group)

    def _reader(self, read: Read) -> Transaction:
        return self.transactions.all[read.transaction]

    def _writer(self, key: Key, value: object) -> Transaction:
        return self.transactions.all[self.transactions.writers[key][value]]

    def _finding(self, name: str, why: str, key: Key, transactions: list[Transaction]) -> Finding:
        once = list({transaction.number: transaction for transaction in transactions}.values())
        listed = tuple(transaction.operation for transaction in once[:TAKING_PART_MAX])
        return Finding(name, why, key, operations=listed, omitted=len(once) - len(listed))


def shown(values: List | list[object], around: int | None = None) -> str:
    """A list for a sentence: whole if it is short, else its end, or what stands `around` a position."""
    end = len(values) if around is None else min(len(values), around + 2)
    start = max(0, end - SHOWN_MAX)
    dots = "... " if start else ""
    return f"[{dots}{' '.join(map(repr, values[start:end]))}{' ...' if end < len(values) else ''}]"
