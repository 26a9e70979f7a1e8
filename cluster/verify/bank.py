"""The bank: money moves between accounts, and never comes into being or goes.

| function | argument | result |
|---|---|---|
| transfer | (from, to, amount) | anything; one that was refused for want of money failed |
| read | None | ((account, balance), ...), all accounts |

Facts: `initial` is ((account, balance), ...) before the first transfer; without it the first read that returned says which
accounts there are and what they hold together. `negative_balances`: true where accounts may be overdrawn.

The rule it keeps, from the plainest to the strictest, and it stops at the first that fails: every read shows the same accounts,
the same total, and no debt; then there is one order of transfers and reads, in real time, that gives every balance that was
read (searched for by `bank_order`; as for any other object, which takes longer, where nobody told the opening balances). What
single reads show is told by itself, because it needs no search: which transfers a read saw only one half of.
The workload is Jepsen's (Kingsbury 2013), the order is that of Herlihy and Wing.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from quorate.cluster.verify.bank_order import OrderSearch, Read, Transfer
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.facts import flag
from quorate.cluster.verify.findings import FINDINGS_MAX, first_of_each
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.linearizability import check_linearizable
from quorate.cluster.verify.meter import Meter, OutOfBudget
from quorate.cluster.verify.models.model import Hint, Key, Step, told
from quorate.cluster.verify.verdict import Answer, Budget, Finding, Verdict

MODEL = "bank"
TAKING_PART_MAX = 12
"""Transfers listed with a read that none of them explains."""
CANDIDATES_MAX = 24
"""Transfers nearest to a bad read that are tried as half visible: some 300 pairs, a few thousand sums."""

Account = Hashable
Vector = tuple[int, ...]


def check_bank(history: History, budget: Budget) -> Verdict:
    """BadHistory for operations of another form."""
    meter = Meter(budget)
    bank = Bank(history)
    findings = first_of_each(_Reads(history, bank).findings())
    facts: dict[str, int | float | str] = {
        "transfers": sum(operation.function == "transfer" for operation in history.operations),
        "reads": len(bank.reads),
        "accounts": len(bank.accounts),
    }
    if findings:
        names = ", ".join(dict.fromkeys(finding.name for finding in findings))
        return Verdict(MODEL, Answer.INVALID, f"The accounts do not add up: {names}.", findings, facts | {"seconds": meter.seconds})
    held = "In every read the accounts, their total and their signs are right"
    if not bank.is_known:
        ordered = check_linearizable(history, bank, replace(budget, seconds=budget.seconds - meter.seconds))
        return replace(ordered, reason=f"{held}. {ordered.reason}", facts=facts | ordered.facts | {"seconds": meter.seconds})
    answer, reason, finding = _order(history, bank, meter)
    return Verdict(MODEL, answer, f"{held}{reason}.", finding, facts | {"seconds": meter.seconds})


def _order(history: History, bank: "Bank", meter: Meter) -> tuple[Answer, str, tuple[Finding, ...]]:
    """(the answer, how the sentence goes on, why not)."""
    moving = [operation for operation in history.operations if operation.function == "transfer" and operation.outcome is not Outcome.FAILED]
    transfers = [Transfer(operation, bank.change(operation)) for operation in moving]
    reads = [Read(operation, bank.vector(balances(operation))) for operation in bank.reads]
    search = OrderSearch(bank.vector(bank.opening), transfers, reads, meter)
    try:
        if search.run():
            return Answer.VALID, ", and there is an order that explains every balance", ()
    except OutOfBudget as error:
        return Answer.UNKNOWN, f", but whether there is an order was not decided: {error}", ()
    return Answer.INVALID, ", but no order explains every balance", (_no_order(bank, search),)


def _no_order(bank: "Bank", search: OrderSearch) -> Finding:
    """The read that nothing leads to from the furthest that an order comes."""
    read = search.next_reads(search.stuck)[0]
    last = search.stuck.last
    differs = ", ".join(
        f"{account!r} by {after - before:+d}"
        for account, after, before in zip(bank.accounts, read.balances, search.stuck.balances)
        if after != before
    )
    choice = search.transfers_at(search.under_way(search.stuck, read.returned))
    since = f"process {last.operation.process}'s read before it" if last else "the opening balances"
    why = f"process {read.operation.process} read what no choice of the {len(choice)} transfers possible by then explains"
    why += f": from {since} it differs in {differs}." if differs else f": it reads as {since}, but there were transfers in between."
    before = (last.operation,) if last else ()
    taking_part = (*before, *choice[-TAKING_PART_MAX:], read.operation)
    return Finding("not linearizable", why, operations=taking_part, omitted=max(0, len(choice) - TAKING_PART_MAX))


class Bank:
    """The bank as a model: a state is (whether the balances are known, then each balance or what was added to it so far)."""

    name = MODEL
    summary = "a bank: transfers between accounts, reads of all accounts"
    functions: Mapping[str, str] = {"transfer": "(from, to, amount) -> anything", "read": "no argument -> ((account, balance), ...)"}

    def __init__(self, history: History) -> None:
        self._source = history.source
        for operation in history.operations:
            self._check(operation)
        self.reads = [operation for operation in history.operations if operation.function == "read" and operation.outcome is Outcome.OK]
        given = history.facts.get("initial")
        self.first_read = min(self.reads, key=lambda read: read.returned or 0, default=None)
        self.is_known = given is not None
        if given is not None:
            self.opening = self._balances(given, 1)
        else:
            self.opening = balances(self.first_read) if self.first_read else {}
        moved = {account: None for operation in history.operations if operation.function == "transfer" for account in ends(operation)[:2]}
        self.accounts: tuple[Account, ...] = tuple(dict.fromkeys((*self.opening, *moved)))
        self._index = {account: index for index, account in enumerate(self.accounts)}
        self.may_be_negative = flag(history, "negative_balances")

    def check(self, operation: Operation) -> None:
        """Done for all of them already."""

    def is_read(self, operation: Operation) -> bool:
        return operation.function == "read" and self.is_known

    def partition(self, operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
        return [(None, operations)]

    def across(self, operations: Sequence[Operation]) -> Hint | None:
        return None  # there is one part only

    def initial(self, operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
        return self.is_known, self.vector(self.opening) if self.is_known else (0,) * len(self.accounts)

    def step(self, state: Hashable, operation: Operation) -> Step:
        is_known, now = _parts(state)
        if operation.function == "transfer":
            after = tuple(balance + change for balance, change in zip(now, self.change(operation)))
            return True, (is_known, after)
        if operation.outcome is not Outcome.OK:
            return True, state
        seen = self.vector(balances(operation))
        return not is_known or seen == now, (True, seen)

    def describe(self, state: Hashable) -> str:
        is_known, now = _parts(state)
        listed = ", ".join(f"{account!r}: {balance}" for account, balance in zip(self.accounts, now))
        return f"holds {listed}" if is_known else f"has changed by {listed}"

    def tell(self, operation: Operation) -> str:
        if operation.function == "read":
            return told(operation, f"read {dict(balances(operation))!r}" if operation.outcome is Outcome.OK else "read")
        return told(operation, "moved {2} from {0!r} to {1!r}".format(*ends(operation)))

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> Hint | None:
        return None

    def vector(self, of: Mapping[Account, int]) -> Vector:
        return tuple(of.get(account, 0) for account in self.accounts)

    def change(self, transfer: Operation, debit: bool = True, credit: bool = True) -> Vector:
        source, target, amount = ends(transfer)
        change = [0] * len(self.accounts)
        change[self._index[source]] -= amount if debit else 0
        change[self._index[target]] += amount if credit else 0
        return tuple(change)

    # The form

    def _check(self, operation: Operation) -> None:
        argument = operation.argument
        if operation.function == "transfer":
            if not (isinstance(argument, tuple) and len(argument) == 3 and type(argument[2]) is int):
                raise self._bad(operation.line, f"a transfer has the argument (from, to, amount), not {argument!r}")
            if argument[2] < 0:
                raise self._bad(operation.line, f"a transfer moves 0 or more, not {argument[2]}: turn it round")
        elif operation.function != "read":
            known = "; ".join(f"{name} ({words})" for name, words in self.functions.items())
            raise self._bad(operation.line, f"the model bank does not know {operation.function!r}; it knows {known}")
        elif operation.outcome is Outcome.OK:
            self._balances(operation.result, operation.returned_line or operation.line)

    def _balances(self, value: object, line: int) -> dict[Account, int]:
        pairs = value if isinstance(value, tuple) else (None,)
        for pair in pairs:
            if not (isinstance(pair, tuple) and len(pair) == 2 and type(pair[1]) is int):
                raise self._bad(line, f"balances are ((account, balance), ...), not {value!r}")
        found = dict(pairs)
        if len(found) < len(pairs):
            raise self._bad(line, f"an account stands twice in {value!r}")
        return found

    def _bad(self, line: int, problem: str) -> BadHistory:
        return BadHistory(self._source, line, problem)


class _Reads:
    """What single reads show."""

    def __init__(self, history: History, bank: Bank) -> None:
        self._bank = bank
        self._transfers = [
            operation for operation in history.operations if operation.function == "transfer" and operation.outcome is not Outcome.FAILED
        ]
        self._total = sum(bank.opening.values())
        self._searches = 0
        self._opened = "at first" if bank.is_known else "in the first read"

    def findings(self) -> Iterator[Finding]:
        bank = self._bank
        for read in bank.reads:
            seen = balances(read)
            where = f"process {read.process} read"
            gone = [account for account in bank.opening if account not in seen]
            new = [account for account in seen if account not in bank.opening]
            if gone:
                yield Finding("account disappeared", f"{where} no {_listed(gone)} there {self._opened}.", operations=(read,))
            if new:
                yield Finding("account appeared", f"{where} {_listed(new)} not there {self._opened}.", operations=(read,))
            total = sum(seen.values())
            if not gone and not new and total != self._total:
                yield self._wrong_total(read, total)
            negative = [account for account, balance in seen.items() if balance < 0]
            if negative and not bank.may_be_negative:
                owed = ", ".join(f"{account!r} at {seen[account]}" for account in negative[:5])
                yield Finding("negative balance", f"{where} {owed}: no account may be overdrawn.", operations=(read,))

    def _wrong_total(self, read: Operation, total: int) -> Finding:
        what = f"process {read.process} read a total of {total}, but it was {self._total} {self._opened}: {total - self._total:+d}"
        self._searches += 1
        if self._searches > FINDINGS_MAX:
            return Finding("wrong total", f"{what}.", operations=(read,))
        base = self._base(read)
        certain, optional = self._certain(read, base), self._optional(read, base)
        if base is not None or self._bank.is_known:
            halves = self._halves(read, base, certain, optional)
            if halves:
                parts = "; ".join(self._half(transfer, side) for transfer, side in halves)
                operations = (read, *(transfer for transfer, _ in halves))
                return Finding("wrong total", f"{what}. As if it had seen one half only of {parts}.", operations=operations)
        fitting = [transfer for transfer in optional if ends(transfer)[2] == abs(total - self._total)][-3:]
        also = ", the amount of a transfer at that time" if fitting else ""
        return Finding("wrong total", f"{what}{also}.", operations=(read, *fitting))

    def _half(self, transfer: Operation, side: str) -> str:
        source, target, amount = ends(transfer)
        seen, missed = (f"out of {source!r}", f"into {target!r}") if side == "debit" else (f"into {target!r}", f"out of {source!r}")
        return f"process {transfer.process}'s transfer of {amount} from {source!r} to {target!r}: {seen}, not {missed}"

    def _halves(
        self, read: Operation, base: Operation | None, certain: list[Operation], optional: list[Operation]
    ) -> list[tuple[Operation, str]]:
        """The fewest half transfers, up to two, that explain a read together with whole ones, up to two, that it may have seen."""
        bank = self._bank
        left = _minus(bank.vector(balances(read)), bank.vector(bank.opening if base is None else balances(base)))
        for transfer in certain:
            left = _minus(left, bank.change(transfer))

        def nearest(transfers: list[Operation]) -> list[Operation]:
            return sorted(transfers, key=lambda transfer: abs(transfer.called - read.called))[:CANDIDATES_MAX]

        near, late = nearest(optional), nearest(certain)
        whole = self._sums(near)
        none = (0,) * len(left)
        sides = [(transfer, "debit", bank.change(transfer, credit=False)) for transfer in near]
        sides += [(transfer, "credit", bank.change(transfer, debit=False)) for transfer in near]
        # Of what was certain the missing half has to be taken back.
        sides += [(transfer, "debit", _minus(none, bank.change(transfer, debit=False))) for transfer in late]
        sides += [(transfer, "credit", _minus(none, bank.change(transfer, credit=False))) for transfer in late]
        for count in (1, 2):
            fitting: list[tuple[int, list[tuple[Operation, str]]]] = []
            for halves in combinations(sides, count):
                rest = left
                for _, _, change in halves:
                    rest = _minus(rest, change)
                used = {transfer.called for transfer, _, _ in halves}
                if len(used) == count and rest in whole and not whole[rest] & used:
                    fitting.append((len(whole[rest]), [(transfer, side) for transfer, side, _ in halves]))
            if fitting:
                return min(fitting, key=lambda one: one[0])[1]
        return []

    def _sums(self, transfers: list[Operation]) -> dict[Vector, frozenset[int]]:
        """What up to two of these change together, and which two (by the position of their calls)."""
        sums: dict[Vector, frozenset[int]] = {}
        for count in (0, 1, 2):
            for chosen in combinations(transfers, count):
                total: Vector = (0,) * len(self._bank.accounts)
                for transfer in chosen:
                    total = _plus(total, self._bank.change(transfer))
                sums.setdefault(total, frozenset(transfer.called for transfer in chosen))
        return sums

    def _base(self, read: Operation) -> Operation | None:
        """The last read with the right total that had returned when this one was called."""
        bank = self._bank
        earlier = [
            other
            for other in bank.reads
            if (other.returned or 0) < read.called
            and sum(balances(other).values()) == self._total
            and balances(other).keys() == bank.opening.keys()
        ]
        return max(earlier, key=lambda other: other.called, default=None)

    def _certain(self, read: Operation, base: Operation | None) -> list[Operation]:
        """Transfers that the read must show and its base cannot."""
        begin = -1 if base is None else base.returned or 0
        return [
            transfer
            for transfer in self._transfers
            if transfer.called > begin and transfer.returned is not None and transfer.returned < read.called
        ]

    def _optional(self, read: Operation, base: Operation | None) -> list[Operation]:
        """Transfers that the read may show, and that its base may not."""
        begin = -1 if base is None else base.called
        certain = set(map(id, self._certain(read, base)))
        return [
            transfer
            for transfer in self._transfers
            if transfer.called < (read.returned or 0)
            and (transfer.returned is None or transfer.returned > begin)
            and id(transfer) not in certain
        ]


def _parts(state: Hashable) -> tuple[bool, Vector]:
    assert isinstance(state, tuple), state
    return state


def ends(transfer: Operation) -> tuple[Account, Account, int]:
    """(from, to, amount); the bank has seen to it that there are three."""
    argument: tuple[Account, Account, int] = transfer.argument  # type: ignore[assignment]
    return argument


def balances(read: Operation) -> dict[Account, int]:
    return dict(read.result)  # type: ignore[call-overload, no-any-return]


def _plus(one: Vector, other: Vector) -> Vector:
    return tuple(a + b for a, b in zip(one, other))


def _minus(one: Vector, other: Vector) -> Vector:
    return tuple(a - b for a, b in zip(one, other))


def _listed(accounts: list[Account]) -> str:
    more = f" and {len(accounts) - 5} more" if len(accounts) > 5 else ""
    names = ", ".join(map(repr, accounts[:5])) + more
    return f"account {names}, which was" if len(accounts) == 1 else f"accounts {names}, which were"
