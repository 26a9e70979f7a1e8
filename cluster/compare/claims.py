"""What is claimed of the engines, and the rules by which the figures of a run confirm or refute it.

One rule decides almost everything: "A is lower than B" is confirmed if all of A's interval (figures.py) lies below all of B's, refuted
if it lies above or if both are one and the same value, and else not decided. Figures are compared as they are shown, with the digits of
their row: a microsecond of a hundred milliseconds is no difference. A claim whose figures are not there is not judged but listed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from quorate.cluster.compare.figures import SAMPLES_MIN, Figure, counted, exact, number, spoken
from quorate.cluster.compare.rows import ALONE, CRASHES, LAG_NODES, LAGS, PAXOS, Results, shape_key
from quorate.protocols.quorum import majority
from quorate.protocols.simulation.measuring.partitions import NOBODY, SHAPES

STRONG = ("zab", "kraft", "multipaxos")
RATIO_AIM = 0.8
"""Of Raft's writes per second."""
BUSY = (64, 256)


class Verdict(Enum):
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim under one condition, and what the figures say of it."""

    note: str
    """What is claimed in general."""
    case: str
    verdict: Verdict
    evidence: str


@dataclass(frozen=True, slots=True)
class Question:
    """ "`lower` has less of the row `key` than `higher`", under a condition."""

    note: str
    case: str
    key: str
    lower: str
    higher: str
    unit: str
    what: str
    """What the figures are, in the evidence."""
    digits: int = 0


def below(lower: Figure, higher: Figure) -> Verdict:
    """Whether the first is lower."""
    if any(not each.exact and len(each.samples) < SAMPLES_MIN for each in (lower, higher)):
        return Verdict.NOT_DECIDED
    (lower_least, lower_most), (higher_least, higher_most) = lower.interval, higher.interval
    if lower_most < higher_least:
        return Verdict.CONFIRMED
    if lower_least > higher_most or lower_least == lower_most == higher_least == higher_most:
        return Verdict.REFUTED
    return Verdict.NOT_DECIDED


ELECTS_FASTER = "Raft, first come first served with random timeouts, elects faster than ZAB"
FEWER_VOTES = "Raft's vote, first come first served, takes fewer messages than ZAB's vote by priority with its re-broadcast"
NEVER_SPLITS = "A vote by priority needs one round where first come first served may need several"
SERVES_FIRST = "Raft serves before it repairs its followers; ZAB aligns first, so its first write is later"
ALIGNS_FIRST = "ZAB's alignment brings a follower that lags to the leader's log sooner than Raft's gradual back-off"
CHEAPER_WRITES = "AppendEntries for everything costs less than PROPOSAL, ACK and COMMIT"
CHEAPER_IDLE = "Heartbeats that are AppendEntries cost an idle cluster less than PINGs of their own"
PROMISE_ONCE = "Multi-Paxos promises once and accepts many times; basic Paxos pays two phases for each value"
SHORTER_PATH = "Fast Paxos commits in fewer message delays, since any node's proposal goes straight to the acceptors"
GOES_ON = "A partition that leaves some node a majority does not stop the cluster"
MAJORITY = "A write is acknowledged when the disks of a majority hold it, whatever is cut"
PULL_COSTS = "Pull (KRaft) costs more messages a write than push (Raft)"


def questions() -> Iterator[Question]:
    """In the order of the page."""
    for case, words in CRASHES.items():
        yield Question(ELECTS_FASTER, words, f"election.{case}.ms", "raft", "zab", "ms", "from the crash until somebody leads")
    for case, words in CRASHES.items():
        yield Question(FEWER_VOTES, words, f"election.{case}.messages", "raft", "zab", "messages", "until somebody leads")
    for nodes in LAG_NODES:
        for lag in LAGS:
            needed = "whom a quorum needs" if nodes == LAG_NODES[0] else "without whom there is a quorum"
            behind = f"{nodes} nodes, " + (f"a follower {lag:,} writes behind, {needed}" if lag else "nobody behind")
            yield Question(SERVES_FIRST, behind, f"lag.{nodes}.{lag}.served", "raft", "zab", "ms", "from leading to the first write", 1)
    for nodes in LAG_NODES:
        for lag in LAGS[1:]:
            behind = f"{nodes} nodes, {lag:,} writes behind"
            yield Question(ALIGNS_FIRST, behind, f"lag.{nodes}.{lag}.aligned", "zab", "raft", "ms", "from the election until it has all", 1)
    yield Question(CHEAPER_WRITES, "messages of a lone write", "write.messages", "raft", "zab", "messages", "a write")
    yield Question(CHEAPER_WRITES, "bytes of a lone write", "write.bytes", "raft", "zab", "bytes", "a write")
    yield Question(CHEAPER_WRITES, "messages, 64 in flight", "batch.messages.64", "raft", "zab", "messages", "a write", 3)
    yield Question(CHEAPER_IDLE, "messages", "idle.messages", "raft", "zab", "messages", "a second", 1)
    yield Question(CHEAPER_IDLE, "bytes", "idle.bytes", "raft", "zab", "bytes", "a second")
    yield Question(PULL_COSTS, "messages of a lone write", "write.messages", "raft", "kraft", "messages", "a write")
    yield Question(PULL_COSTS, "messages, 64 in flight", "batch.messages.64", "raft", "kraft", "messages", "a write", 3)
    for key, what in (("write.messages", "messages"), ("write.delays", "message delays"), ("write.fsyncs", "fsyncs")):
        yield Question(PROMISE_ONCE, what, key, "multipaxos", PAXOS, what, "a value")
    yield Question(SHORTER_PATH, "proposed at the leader", "write.delays", "fastpaxos", "raft", "message delays", "to commit")
    yield Question(SHORTER_PATH, "proposed at another node", "write.delays.other", "fastpaxos", "raft", "message delays", "to commit")
    yield Question(
        SHORTER_PATH, "two proposed at once, at two nodes", "both.delays", "fastpaxos", "raft", "message delays", "to commit both"
    )


def _ask(results: Results, question: Question) -> Claim | None:
    lower, higher = (results.figure(question.key, name) for name in (question.lower, question.higher))
    if lower is None or higher is None:
        return None
    said = [
        f"{name} {spoken(figure, question.unit, question.digits)}" for name, figure in ((question.lower, lower), (question.higher, higher))
    ]
    seeds = "" if lower.exact and higher.exact else f"; {counted(lower.samples, 'seed')}"
    verdict = below(lower.rounded(question.digits), higher.rounded(question.digits))
    return Claim(question.note, question.case, verdict, f"{', '.join(said)} {question.what}{seeds}")


def _splits(results: Results) -> Iterator[Claim]:
    """One split is a proof that votes can split; that none was seen is no proof, so the number of seeds stands beside it."""
    for case, words in CRASHES.items():
        first, priority = (results.figure(f"election.{case}.rounds", name) for name in ("raft", "zab"))
        if first is None or priority is None:
            continue
        split, again = (sum(rounds > 1 for rounds in figure.samples) for figure in (first, priority))
        verdict = Verdict.REFUTED if again and again >= split else Verdict.CONFIRMED if split and not again else Verdict.NOT_DECIDED
        seeds = counted(first.samples, "seed")
        yield Claim(NEVER_SPLITS, words, verdict, f"more than one term or epoch was entered in {split} (raft) and {again} (zab) of {seeds}")


def _goes_on(results: Results) -> Iterator[Claim]:
    """Every shape that is measured leaves some node links with a majority; each engine has to cope with all of them."""
    for engine in results.engines:
        shapes = {shape.name: cell for shape in SHAPES if (cell := results.get(f"cut.{shape_key(shape.name)}.leader", engine)) is not None}
        if shapes:
            stopped = [name for name, leader in shapes.items() if NOBODY in str(leader)]
            said = f"in the end nobody could write with: {'; '.join(stopped)}" if stopped else f"goes on in all of {len(shapes)} shapes"
            yield Claim(GOES_ON, engine, Verdict.REFUTED if stopped else Verdict.CONFIRMED, said)


def _majority(results: Results) -> Iterator[Claim]:
    """Also where the leader is cut off: what it then acknowledges dies with it."""
    for engine in results.engines:
        disks = results.figure("cut.disks", engine)
        if disks is not None:
            verdict = Verdict.CONFIRMED if disks.least >= majority(ALONE.nodes) else Verdict.REFUTED
            said = f"at least {number(disks.least, 0)} of {ALONE.nodes} disks, while {ALONE.about}"
            yield Claim(MAJORITY, engine, verdict, said)


def _rates(results: Results) -> Iterator[Claim]:
    """The aim for live nodes."""
    for name in STRONG:
        for in_flight in BUSY:
            ratio = results.figure(f"live.ratio.{in_flight}", name)
            if ratio is not None:
                yield Claim(
                    f"{name} reaches at least {RATIO_AIM:.0%} of Raft's writes a second",
                    f"live, {in_flight} in flight",
                    _reaches(ratio),
                    f"{spoken(ratio, '', 2)} of Raft's rate, round by round; {counted(ratio.samples, 'round')}",
                )


def _reaches(ratio: Figure) -> Verdict:
    """At least the aim: reaching it exactly is enough."""
    short = below(ratio, exact(RATIO_AIM))
    if short is not Verdict.NOT_DECIDED or len(ratio.samples) < SAMPLES_MIN:
        return {Verdict.CONFIRMED: Verdict.REFUTED, Verdict.REFUTED: Verdict.CONFIRMED}.get(short, short)
    return Verdict.CONFIRMED if ratio.interval[0] >= RATIO_AIM else Verdict.NOT_DECIDED


def _live_election(results: Results) -> Iterator[Claim]:
    raft, zab = results.figure("live.gap", "raft"), results.figure("live.gap", "zab")
    if raft is not None and zab is not None:
        said = f"raft {spoken(raft, 'ms', 0)}, zab {spoken(zab, 'ms', 0)} without a write; {counted(raft.samples, 'trial')}"
        yield Claim(ELECTS_FASTER, "live, kill -9 of the leader under load", below(raft, zab), said)


def judge(results: Results) -> tuple[list[Claim], list[tuple[str, str]]]:
    """The claims that the figures speak of; and those that they do not, with the reason."""
    claims: list[Claim] = []
    silent: dict[tuple[str, str], list[str]] = {}
    for question in questions():
        claim = _ask(results, question)
        if claim is not None:
            claims.append(claim)
        else:
            silent.setdefault((question.note, _why(results, question)), []).append(question.case)
    more: tuple[Callable[[Results], Iterator[Claim]], ...] = (_splits, _live_election, _goes_on, _majority, _rates)
    for rule in more:
        claims += rule(results)
    order = list(dict.fromkeys(claim.note for claim in claims))
    claims.sort(key=lambda claim: order.index(claim.note))
    spoken_of = {claim.note for claim in claims}
    return claims, [(f"{note} ({'; '.join(cases)})" if note in spoken_of else note, why) for (note, why), cases in silent.items()]


def _why(results: Results, question: Question) -> str:
    absent = [name for name in (question.lower, question.higher) if name not in results.columns()]
    if absent:
        return f"{' and '.join(absent)} did not run"
    return "its figures were not measured in this run"


def tally(claims: list[Claim]) -> str:
    """How many of each verdict."""
    counts = {verdict: sum(claim.verdict is verdict for claim in claims) for verdict in Verdict}
    return ", ".join(f"{number(count, 0)} {verdict.value}" for verdict, count in counts.items() if count)
