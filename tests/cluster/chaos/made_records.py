"""Records of runs that never were: one that passed, one in which a write was lost behind a partition."""

from quorate.cluster.chaos.record import (
    BUCKET_MS,
    Bucket,
    Counts,
    FaultBand,
    Flight,
    Gap,
    Phase,
    Progress,
    Reachability,
    Replica,
    RunRecord,
    RunVerdict,
    Span,
)
from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.verdict import Answer, Finding, Verdict
from tests.cluster.verify.made import write_skew

MS = 1_000_000
NODES = ("n1", "n2", "n3")
DURATION_MS = 12_000.0
CUT_MS, HEALED_MS = 4_000.0, 7_000.0
VIOLATION_MS = 7_412.0
PHASES = (
    Phase("load", 0, 3_000),
    Phase("faults", 3_000, 8_000),
    Phase("heal", 8_000, 8_300),
    Phase("converge", 8_300, 9_500),
    Phase("final reads", 9_500, 10_400),
    Phase("check", 10_400, DURATION_MS),
)
FAULTS = (
    FaultBand("f1", "jitter", "jitter 50ms±30ms n2>n3", (), ("n2>n3",), 3_200, 5_200, {"frames delayed": 812}),
    FaultBand(
        "f2",
        "partition",
        "isolate leader (n1)",
        ("n1",),
        ("n1>n2", "n2>n1", "n1>n3", "n3>n1"),
        CUT_MS,
        HEALED_MS,
        {"frames held": 90, "frames dropped": 31},
    ),
    FaultBand("f3", "pause", "pause n3 --for 400ms", ("n3",), (), 7_400, 7_800, {"processes": 1}),
)


def passed() -> RunRecord:
    """A leader is cut off from both others and comes back; nothing is lost."""
    return RunRecord(
        name="isolate-leader",
        engine="raft",
        seed=7,
        commit="0123abc",
        command="quorate chaos run isolate-leader --engine raft --seed 7",
        started="2026-11-23T20:00:00Z",
        duration_ms=DURATION_MS,
        nodes=NODES,
        election_timeout_ms=300.0,
        modes={"peers": "message", "clients": "stream"},
        calibration={"rounds": 2000, "frame_bytes": 128, "added_one_way_p50_us": 61.5, "added_one_way_p99_us": 3_140.25},
        verdict=RunVerdict.PASSED,
        reasons=("Linearizable, all nodes converged, and no fault missed.",),
        phases=PHASES,
        faults=FAULTS,
        buckets=tuple(_bucket(number) for number in range(80)),
        roles={
            "n1": (
                Span(0, CUT_MS + 600, "leader", 3),
                Span(CUT_MS + 600, HEALED_MS + 90, "candidate", 3),
                Span(7_090, 12_000, "follower", 4),
            ),
            "n2": (Span(0, 4_310, "follower", 3), Span(4_310, 4_420, "candidate", 4), Span(4_420, 12_000, "leader", 4)),
            "n3": (Span(0, 4_400, "follower", 3), Span(4_400, 7_400, "follower", 4), Span(7_400, 7_800, "paused", 4)),
        },
        progress={name: tuple(Progress(at * 200.0, *_progress(number, at)) for at in range(60)) for number, name in enumerate(NODES)},
        reachability=(
            Reachability(0, {}),
            Reachability(3_200, {"n2>n3": "slow"}),
            Reachability(4_000, {"n2>n3": "slow", "n1>n2": "cut", "n2>n1": "cut", "n1>n3": "cut", "n3>n1": "cut"}),
            Reachability(5_200, {"n1>n2": "cut", "n2>n1": "cut", "n1>n3": "cut", "n3>n1": "lossy"}),
            Reachability(7_000, {}),
        ),
        gaps=(Gap("f2", 12.0, 3.0, 420.0, 431.5), Gap("f3", None, None, None, 18.0)),
        counts=Counts(
            18_250,
            17_900,
            120,
            230,
            {"jitter": 1, "partition": 1, "pause": 1},
            {"delivered": 91_200, "dropped": 31, "duplicated": 0, "inverted": 12, "corrupted": 0},
        ),
        convergence={name: Replica(9_120, "9f86d081884c7d65") for name in NODES},
        checks=(
            Verdict(
                "kv",
                Answer.VALID,
                "18250 operations in 12 partitions: there is an order that explains every answer.",
                (),
                {"steps": 40_112},
            ),
        ),
        facts={"clients": 8, "hot key": "hot", "resident MiB at the end": 41.25},
    )


def _bucket(number: int) -> Bucket:
    """Nothing is acknowledged while the leader is cut off and no other has been elected."""
    at = number * BUCKET_MS
    if CUT_MS <= at < CUT_MS + 400:
        return Bucket(at, 0, 30, 57 if at == CUT_MS else 0)
    slow = 3_200 <= at < 5_200
    swing = number * 37 % 11
    return Bucket(at, 220 + 3 * swing, 0, 0, 2.0 + swing / 10 + 30 * slow, 9.5 + swing + 70 * slow, 20.0 + 2 * swing + 300 * slow)


def _progress(number: int, at: int) -> tuple[int, int]:
    commit = 160 * at
    if number == 0 and CUT_MS <= 200 * at < HEALED_MS:
        commit = 160 * int(CUT_MS / 200)
    return commit, max(0, commit - 7 * number)


def violated() -> RunRecord:
    """The same run, except that what n1 acknowledged just before it was cut off is gone afterwards."""
    good = passed()
    finding = lost_write()
    fields = {name: getattr(good, name) for name in RunRecord.__dataclass_fields__}
    return RunRecord(
        **fields
        | {
            "engine": "logship",
            "verdict": RunVerdict.VIOLATED,
            "reasons": ("An acknowledged write of key hot was lost.", "n1 did not converge: its digest differs."),
            "checks": (
                Verdict("kv", Answer.INVALID, "no order explains key hot", (finding,), {"steps": 812, "seconds": 0.25}),
                write_skew(3)[1],
            ),
            "convergence": good.convergence | {"n1": Replica(9_120, "2c26b46b68ffc68f")},
            "names": {0: "T1", 2: "T2", 4: "T3"},
            "violation_ms": VIOLATION_MS,
            "frames": frames(),
            "truncations": ("412 frames of links without a fault are not kept.",),
        }
    )


def lost_write() -> Finding:
    operations = (
        _operation(0, "put", "a", 11, 0, 2, 7_380.0, 7_384.5),
        _operation(1, "put", "b", 12, 3, 5, 7_388.0, 7_396.0),
        _operation(2, "put", "c", None, 4, None, 7_390.0, None),
        _operation(0, "get", None, ("b", 12, 1), 6, 7, 7_400.0, 7_403.0),
        _operation(3, "get", None, ("a", 11, 1), 8, 9, 7_405.0, VIOLATION_MS),
    )
    return Finding(
        "not linearizable",
        "process 1 put 'b'; then process 0 read it;\nprocess 3 read 'a' again although nobody wrote it a second time.",
        "hot",
        operations,
        order=(0, 1, 3),
        states=("is 'a'", "is 'b'", "is 'b'"),
        stuck=(4, 2),
        omitted=120,
    )


def _operation(
    process: int, function: str, argument: object, result: object, called: int, returned: int | None, at_ms: float, until_ms: float | None
) -> Operation:
    return Operation(
        process,
        function,
        "hot",
        argument,
        result,
        Outcome.UNKNOWN if returned is None else Outcome.OK,
        called,
        returned,
        called_ns=round(at_ms * MS),
        returned_ns=None if until_ms is None else round(until_ms * MS),
    )


def frames() -> tuple[Flight, ...]:
    return (
        Flight("n2>n1", "Append", 4, 801, 7_381.0, 7_382.1, "delivered"),
        Flight("n2>n3", "Append", 4, 811, 7_381.0, 7_381.9, "delivered"),
        Flight("n1>n2", "AppendReply", 4, 640, 7_382.4, 7_383.2, "delivered"),
        Flight("n3>n2", "AppendReply", 4, 644, 7_382.3, 7_383.0, "delivered"),
        Flight("n2>n1", "Append", 4, 802, 7_388.6, None, "dropped"),
        Flight("n2>n3", "Append", 4, 812, 7_388.6, 7_389.8, "delivered"),
        Flight("n2>n3", "Append", 4, 812, 7_388.6, 7_394.0, "duplicated"),
        Flight("n3>n2", "AppendReply", 4, 645, 7_390.2, 7_391.0, "delivered"),
        Flight("n2>n1", "Append", 4, 803, 7_397.0, 7_411.0, "held"),
        Flight("n1>n2", "AppendReply", 4, 641, 7_399.0, 7_401.2, "corrupted"),
        Flight("n3>n1", "Vote", 5, 300, 7_404.0, None, "held"),
    )
