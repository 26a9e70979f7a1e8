"""The bank checker: totals, signs, accounts, half transfers, and the order of transfers and reads."""

from collections import Counter
from itertools import permutations, product
from random import Random

import pytest

from quorate.cluster.verify import checks
from quorate.cluster.verify.bank import check_bank
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.findings import FINDINGS_MAX
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.verdict import Answer, Budget, Verdict

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
OPENING = (("a", 10), ("b", 10), ("c", 10))


def transfer(process: int, source: str, target: str, amount: int, called: int, returned: int, outcome: Outcome = OK) -> Operation:
    known = None if outcome is UNKNOWN else returned
    return Operation(process, "transfer", None, (source, target, amount), None, outcome, called, known, line=called + 1)


def read(process: int, a: int, b: int, c: int, called: int, returned: int) -> Operation:
    return Operation(process, "read", None, None, (("a", a), ("b", b), ("c", c)), OK, called, returned, line=called + 1)


def check(*operations: Operation, **facts: object) -> Verdict:
    ordered = tuple(sorted(operations, key=lambda operation: operation.called))
    return check_bank(History(ordered, {"initial": OPENING, **facts}), Budget())


def names(verdict: Verdict) -> list[str]:
    return [finding.name for finding in verdict.findings]


def test_a_read_that_saw_money_leave_and_not_arrive_names_the_transfer() -> None:
    moved, other = transfer(1, "a", "b", 4, 0, 5), transfer(2, "b", "c", 4, 1, 6)
    verdict = check(moved, other, read(3, 6, 10, 10, 2, 3))

    (finding,) = verdict.findings
    assert Answer.INVALID is verdict.answer
    assert "wrong total" == finding.name
    assert (
        "process 3 read a total of 26, but it was 30 at first: -4. "
        "As if it had seen one half only of process 1's transfer of 4 from 'a' to 'b': out of 'a', not into 'b'."
    ) == finding.why
    assert moved in finding.operations and other not in finding.operations


def test_a_half_transfer_is_found_among_whole_ones_and_after_it_was_acknowledged() -> None:
    whole = (transfer(1, "a", "b", 3, 0, 1), transfer(2, "b", "c", 2, 2, 20))
    half = transfer(4, "c", "a", 5, 3, 4)
    (finding,) = check(*whole, half, read(3, 7, 11, 7, 6, 7)).findings

    assert "out of 'c', not into 'a'" in finding.why
    assert half in finding.operations


def test_two_half_transfers_are_named_both() -> None:
    one, two = transfer(1, "a", "b", 4, 0, 9), transfer(2, "c", "b", 3, 1, 8)
    (finding,) = check(one, two, read(3, 6, 13, 10, 2, 3)).findings

    assert {one, two} < set(finding.operations)


def test_without_opening_balances_the_first_read_gives_them() -> None:
    half = transfer(1, "a", "b", 4, 2, 9)
    operations = (read(0, 5, 5, 5, 0, 1), half, read(3, 1, 5, 5, 3, 4))
    verdict = check_bank(History(operations), Budget())

    assert ["wrong total"] == names(verdict)
    assert "it was 15 in the first read" in verdict.findings[0].why and half in verdict.findings[0].operations


def test_a_total_that_no_transfer_explains_is_wrong_all_the_same() -> None:
    verdict = check(read(3, 10, 10, 11, 2, 3), transfer(1, "a", "b", 1, 0, 9))

    assert "it was 30 at first: +1, the amount of a transfer at that time." in verdict.findings[0].why
    assert check(read(3, 10, 10, 17, 2, 3)).findings[0].why.endswith("it was 30 at first: +7.")


def test_debts_and_accounts_that_come_and_go_are_told() -> None:
    owing = transfer(1, "a", "b", 12, 0, 1), read(2, -2, 22, 10, 2, 3)
    less = Operation(0, "read", None, None, (("a", 10), ("b", 10)), OK, 0, 1)
    more = Operation(0, "read", None, None, (*OPENING, ("d", 0)), OK, 0, 1)

    assert ["negative balance"] == names(check(*owing))
    assert Answer.VALID is check(*owing, negative_balances=True).answer
    assert ["account disappeared"] == names(check(less))
    assert "process 0 read no account 'c', which was there at first." == check(less).findings[0].why
    assert ["account appeared"] == names(check(more))
    assert "process 0 read account 'd', which was not there at first." == check(more).findings[0].why


def test_a_stale_read_adds_up_and_is_found_by_the_order() -> None:
    verdict = check(transfer(1, "a", "b", 4, 0, 1), read(2, 10, 10, 10, 2, 3))

    assert Answer.INVALID is verdict.answer
    assert "In every read the accounts, their total and their signs are right, but no order explains" in verdict.reason
    (finding,) = verdict.findings
    assert "not linearizable" == finding.name and 2 == len(finding.operations)
    assert finding.why.endswith("it reads as the opening balances, but there were transfers in between.")
    assert Answer.VALID is check(transfer(1, "a", "b", 4, 0, 2), read(2, 10, 10, 10, 1, 3)).answer


def test_unknown_transfers_may_and_failed_ones_must_not_show() -> None:
    for seen in (read(2, 6, 14, 10, 2, 3), read(2, 10, 10, 10, 2, 3)):
        assert Answer.VALID is check(transfer(1, "a", "b", 4, 0, 1, UNKNOWN), seen).answer
    assert Answer.INVALID is check(transfer(1, "a", "b", 4, 0, 1, FAILED), read(2, 6, 14, 10, 2, 3)).answer


def test_findings_beyond_the_first_few_are_counted() -> None:
    verdict = check(*(read(0, 10, 10, 11, number * 2, number * 2 + 1) for number in range(FINDINGS_MAX + 7)))

    assert FINDINGS_MAX == len(verdict.findings)
    assert 7 == sum(finding.omitted for finding in verdict.findings)


def test_out_of_budget_is_unknown_and_says_what_holds() -> None:
    many = [transfer(number, "a", "b", 1, number, 1_000 - number) for number in range(9)]
    operations = (*many, read(99, 8, 12, 10, 50, 60), read(99, 9, 11, 10, 70, 80))
    verdict = check_bank(History(operations, {"initial": OPENING}), Budget(seconds=-1))

    assert Answer.UNKNOWN is verdict.answer
    assert "the accounts, their total and their signs are right" in verdict.reason


def test_too_many_unknown_transfers_to_tell_are_unknown_and_not_invalid() -> None:
    pairs = ("a", "b"), ("b", "c"), ("c", "a"), ("b", "a")
    unknown = [transfer(number, *pairs[number % 4], 2, number, number, UNKNOWN) for number in range(40)]
    verdict = check(*unknown, read(99, 11, 9, 10, 50, 51))

    assert Answer.UNKNOWN is verdict.answer
    assert "40 transfers under way at once, or unknown, leave too many choices" in verdict.reason
    assert Answer.VALID is check(*unknown, read(99, 12, 8, 10, 50, 51)).answer


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Operation(0, "transfer", None, ("a", "b"), None, OK, 0, 1, line=5), "file:5: a transfer has the argument"),
        (Operation(0, "transfer", None, ("a", "b", -1), None, OK, 0, 1, line=5), "file:5: a transfer moves 0 or more"),
        (Operation(0, "deposit", None, ("a", 1), None, OK, 0, 1, line=5), "file:5: the model bank does not know 'deposit'"),
        (Operation(0, "read", None, None, (("a", "1"),), OK, 0, 1, line=5, returned_line=6), "file:6: balances are"),
        (Operation(0, "read", None, None, (("a", 1), ("a", 2)), OK, 0, 1, line=5, returned_line=6), "file:6: an account stands twice"),
        (Operation(0, "read", None, None, None, OK, 0, 1, line=5), "file:5: balances are"),
    ],
)
def test_a_history_of_another_form_is_refused_with_its_line(operation: Operation, message: str) -> None:
    with pytest.raises(BadHistory, match=message):
        checks.check(History((operation,), source="file"), "bank")


# Against an executor and an oracle


def random_history(random: Random, count: int, bent: bool) -> History:
    """Carried out one by one at a moment between call and return; `bent`: then one balance or one whole read is changed."""
    accounts = dict(OPENING)
    spans = []
    position, running = 0, []
    while len(spans) < count or running:
        if len(spans) < count and (not running or random.random() < 0.5):
            spans.append([position, 0])
            running.append(spans[-1])
        else:
            running.pop(random.randrange(len(running)))[1] = position
        position += 1
    moments = sorted((random.uniform(*span), tuple(span), process) for process, span in enumerate(spans))
    done = []
    for _, (called, returned), process in moments:
        source, target = random.sample("abc", 2)
        amount = random.randint(1, 6)
        outcome = random.choice((OK, OK, OK, UNKNOWN))
        if random.random() < 0.5:
            done.append(read(process, accounts["a"], accounts["b"], accounts["c"], called, returned))
        elif accounts[source] < amount:
            done.append(transfer(process, source, target, amount, called, returned, FAILED))
        else:
            done.append(transfer(process, source, target, amount, called, returned, outcome))
            if outcome is OK or random.random() < 0.5:
                accounts[source] -= amount
                accounts[target] += amount
    reads = [index for index, operation in enumerate(done) if operation.function == "read"]
    if bent and reads:
        index = random.choice(reads)
        result = dict(done[random.choice(reads)].result)  # type: ignore[call-overload]
        if random.random() < 0.5:
            one, other = random.sample("abc", 2)
            result[one] += 2
            result[other] -= random.choice((1, 2, 2))
        done[index] = read(done[index].process, result["a"], result["b"], result["c"], done[index].called, done[index].returned or 0)
    opening = {"initial": OPENING} if random.random() < 0.7 else {}
    return History(tuple(sorted(done, key=lambda operation: operation.called)), opening)


def explains(order: tuple[Operation, ...], opening: dict[str, int] | None) -> bool:
    """Carry them out: with unknown opening balances the first read tells what they were."""
    if opening is None:
        shift = dict.fromkeys("abc", 0)
        for operation in order:
            if operation.function == "read":
                return explains(order, {account: balance - shift[account] for account, balance in operation.result})  # type: ignore[attr-defined]
            source, target, amount = operation.argument  # type: ignore[misc]
            shift[source] -= amount
            shift[target] += amount
        return True
    accounts = dict(opening)
    for operation in order:
        if operation.function == "read":
            if dict(operation.result) != accounts or min(accounts.values()) < 0:  # type: ignore[call-overload]
                return False
            continue
        source, target, amount = operation.argument  # type: ignore[misc]
        accounts[source] -= amount
        accounts[target] += amount
    return True


def oracle(history: History) -> bool:
    sure = [operation for operation in history.operations if operation.outcome is OK]
    unknown = [operation for operation in history.operations if operation.outcome is UNKNOWN]
    opening = dict(OPENING) if history.facts else None
    for chosen in product((False, True), repeat=len(unknown)):
        for order in permutations(sure + [operation for operation, took in zip(unknown, chosen) if took]):
            in_time = all(
                later.returned is None or later.returned > earlier.called for index, later in enumerate(order) for earlier in order[:index]
            )
            if in_time and explains(order, opening):
                return True
    return False


def test_nothing_is_found_in_what_a_serial_bank_did() -> None:
    for seed in range(1_500):
        random = Random(seed)
        verdict = check_bank(random_history(random, random.randint(2, 25), bent=False), Budget())

        assert Answer.VALID is verdict.answer, (seed, verdict)


def test_the_verdict_is_that_of_trying_all_orders() -> None:
    answers: Counter[bool] = Counter()
    for seed in range(1_500):
        made = random_history(Random(seed), 5, bent=True)
        expected = oracle(made)
        answers[expected] += 1

        assert expected == (Answer.VALID is check_bank(made, Budget()).answer), (seed, made)
    assert min(answers.values()) > 300, answers
