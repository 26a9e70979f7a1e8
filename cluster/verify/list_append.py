"""Which isolation a history of list-append transactions contradicts, and why. Elle's inference (Kingsbury & Alvaro, VLDB 2020).

The rule it keeps: no cycle among the dependencies and no anomaly in the reads means that the transactions can be put in one
order that explains all that was seen; so "valid" at strict-serializable is a proof, for all dependencies but the order of
appends that nobody read are known, and any order of those will do. Below serializable, "valid" says only that no contradiction
was found. A cycle is a proof that the level fails, whatever was not seen.

The form of histories stands in `transactions`, the anomalies in `versions` and `cycles`, the levels in `isolation`.
"""

from quorate.cluster.verify.cycles import Cycle, CycleSearch
from quorate.cluster.verify.dependencies import Dependencies
from quorate.cluster.verify.findings import first_of_each
from quorate.cluster.verify.history import History, Outcome
from quorate.cluster.verify.isolation import LEVELS, PLACES, contradicts, strongest
from quorate.cluster.verify.meter import Meter, OutOfBudget
from quorate.cluster.verify.transactions import Transactions
from quorate.cluster.verify.verdict import Answer, Budget, Finding, Verdict
from quorate.cluster.verify.versions import Evidence

MODEL = "list-append"
_SENTENCES = {
    "G0": "their appends are interleaved: each wrote before the next, and the last before the first",
    "G1c": "each saw, or wrote after, the one before it, and the first the last: information flowed in a circle",
    "G-single": "one of them missed what the next wrote, and yet comes after it by the others",
    "G-nonadjacent": "more than one missed what the next wrote, but no two in a row: not even one snapshot for each explains it",
    "G2": "two or more missed what the next one wrote: no serial order has all of them (write skew, if two miss each other)",
}
_PROVISOS = ("", "if each process sees its own transactions in order, ", "if what is called after a return comes later, ")


def check_list_append(history: History, budget: Budget, level: str = "strict-serializable") -> Verdict:
    """The verdict at one of LEVELS. BadHistory if the history is not one of list-append transactions."""
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r}; there are {', '.join(LEVELS)}")
    meter = Meter(budget)
    findings: list[Finding] = []
    facts: dict[str, int | float | str] = {"transactions": len(history.operations)}
    exhausted = ""
    try:
        _search(history, meter, findings, facts)
    except OutOfBudget as error:
        exhausted = str(error)
    facts["seconds"] = round(meter.seconds, 3)
    return _verdict(level, findings, facts, exhausted)


def _search(history: History, meter: Meter, findings: list[Finding], facts: dict[str, int | float | str]) -> None:
    """Fill in findings and facts as far as the budget goes."""
    transactions = Transactions(history)
    facts["unknown"] = sum(operation.outcome is Outcome.UNKNOWN for operation in history.operations)
    facts["aborted"] = sum(operation.outcome is Outcome.FAILED for operation in history.operations)
    facts["keys"] = len(transactions.writers.keys() | transactions.reads.keys())
    meter.check("reading the transactions", len(history.operations))
    evidence = Evidence(transactions)
    findings += first_of_each(evidence.findings)
    meter.check("ordering the versions of each key")
    dependencies = Dependencies(evidence)
    facts["dependencies"] = dependencies.graph.edge_count
    meter.check("looking for cycles", dependencies.graph.edge_count)
    search = CycleSearch(dependencies.graph, meter.check)
    try:
        search.run()
    finally:
        findings += [_cycle_finding(dependencies, cycle, search.omitted) for cycle in search.cycles]


def _cycle_finding(dependencies: Dependencies, cycle: Cycle, omitted: dict[str, int]) -> Finding:
    around = [*cycle.nodes[1:], cycle.nodes[0]]
    edges = tuple(dependencies.edge(node, kind, after) for node, kind, after in zip(cycle.nodes, cycle.kinds, around))
    names = [dependencies.transactions[node].name for node in cycle.nodes]
    base = cycle.name.removesuffix("-process").removesuffix("-realtime")
    path = " < ".join(names[:8] + (["..."] if len(names) > 8 else []) + names[:1])
    operations = tuple(dependencies.transactions[node].operation for node in cycle.nodes)
    why = f"{path}: {_PROVISOS[cycle.order]}{_SENTENCES[base]}."
    # All knots of a name that are not shown are told with the first cycle of that name.
    return Finding(cycle.name, why, operations=operations, cycle=edges, omitted=omitted.pop(cycle.name, 0))


def _verdict(level: str, findings: list[Finding], facts: dict[str, int | float | str], exhausted: str) -> Verdict:
    names = sorted({finding.name for finding in findings}, key=lambda name: (*PLACES[name], name))
    against = [name for name in names if contradicts(name, level)]
    allowed = [name for name in names if name not in against]
    holds = " and ".join(strongest(names)) or "none, not even read-committed"
    if not exhausted:
        facts["strongest level not contradicted"] = holds
    if allowed:
        facts["found, but allowed at this level"] = ", ".join(allowed)
    counted = tuple(finding for finding in findings if finding.name in against)
    aside = f" It shows {', '.join(allowed)}, which {level} allows." if allowed else ""
    if counted:
        answer, reason = Answer.INVALID, f"The history contradicts {level}: {', '.join(against)}."
        reason += f" Not all was searched: {exhausted}." if exhausted else f" The strongest level that it does not contradict: {holds}."
    elif exhausted:
        answer, reason = Answer.UNKNOWN, f"Not decided: {exhausted}."
    else:
        answer, reason = Answer.VALID, f"Nothing in {facts['transactions']} transactions contradicts {level}.{aside}"
    return Verdict(MODEL, answer, reason, counted, facts)
