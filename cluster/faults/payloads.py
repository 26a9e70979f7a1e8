"""What the control API is told, checked before anything happens: faults and shapes by the names that the simulator uses too.

Times are milliseconds, rates are shares from 0 to 1. Every mistake is an error that names the field and what it accepts.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from quorate.cluster.faults.fault import Fault, Mode, Slicer
from quorate.cluster.faults.tap import KEEP_MAX
from quorate.cluster.runtime.config import checked_name
from quorate.cluster.wire.errors import BadRequest
from quorate.protocols.core.messages import TAGS
from quorate.protocols.simulation.policy import PPM, Jitter, Rule

TTL_S_MAX = 3_600.0
"""Whoever wants a fault for longer says so again: nothing stays broken because somebody forgot it."""
DELAY_MS_MAX = 600_000.0
FAULTS_MAX = 256
NS_PER_MS, NS_PER_US = 1_000_000, 1_000
HANDSHAKES = ("hello", "welcome")

Share = Annotated[float, Field(ge=0, le=1)]
Ms = Annotated[float, Field(ge=0, le=DELAY_MS_MAX)]
Names = Annotated[list[str], Field(min_length=1, max_length=64)]
Identifier = Annotated[str, AfterValidator(checked_name)]


class Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SlicePayload(Payload):
    """Frames leave in pieces."""

    average_bytes: int = Field(ge=1, le=1 << 20)
    variation_bytes: int = Field(default=0, ge=0, le=1 << 20)
    delay_us: int = Field(default=0, ge=0, le=1_000_000)


class Isolate(Payload):
    """One node off from all others."""

    kind: Literal["isolate"]
    node: str


class Halves(Payload):
    """Two groups off from each other."""

    kind: Literal["halves"]
    left: Names
    right: Names


class Minority(Payload):
    """As many as are no majority, off from the rest: `node` and others that the seed chooses."""

    kind: Literal["minority"]
    node: str = ""


class OneWay(Payload):
    """From the sources to the destinations only."""

    kind: Literal["one-way"]
    sources: Names
    destinations: Names


class Bridge(Payload):
    """Two halves that see each other through one node in the middle alone."""

    kind: Literal["bridge"]
    nodes: list[str] = []


class Ring(Payload):
    """Everybody sees a majority, no two the same one. Four nodes or more."""

    kind: Literal["ring"]
    nodes: list[str] = []


class Flapping(Payload):
    """Links that go down and up again."""

    kind: Literal["flapping"]
    links: Names
    half_period_ms: float = Field(ge=1, le=DELAY_MS_MAX)
    count: int = Field(ge=1, le=10_000)


class Swizzle(Payload):
    """Links that stop one by one and heal one by one in another order."""

    kind: Literal["swizzle"]
    links: Names = ["*"]
    step_ms: float = Field(ge=1, le=DELAY_MS_MAX)


Shape = Annotated[Isolate | Halves | Minority | OneWay | Bridge | Ring | Flapping | Swizzle, Field(discriminator="kind")]


class FaultPayload(Payload):
    """One fault, on the links of `links` or of `shape`. A shape alone cuts them."""

    links: Names | None = None
    shape: Shape | None = None
    mode: Literal["stream", "message"] | None = None
    delay_ms: Ms = 0
    jitter_ms: Ms = 0
    jitter: Literal["uniform", "normal", "exponential", "pareto"] = "uniform"
    drop: Share = 0
    duplicate: Share = 0
    reorder: Share = 0
    reorder_ms: Ms = 0
    corrupt: Share = 0
    corrupt_part: Literal["payload", "header"] = "payload"
    bytes_per_s: int = Field(default=0, ge=0, le=1 << 40)
    cut: bool = False
    only: list[str] = []
    first: int = Field(default=0, ge=0, le=1 << 30)
    tear: Share = 0
    slice: SlicePayload | None = None
    close_after_bytes: int | None = Field(default=None, ge=0)
    slow_close_ms: Ms = 0
    refuse: bool = False
    black_hole: bool = False
    half_open: bool = False
    reset_after_ms: Ms | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "FaultPayload":
        if (self.links is None) == (self.shape is None):
            raise ValueError("a fault needs either links or a shape")
        if self.links is not None and self.fault(Mode.MESSAGE).is_none:
            raise ValueError("this fault does nothing; give it a delay_ms, drop, cut or the like")
        if self.reorder and not self.reorder_ms:
            raise ValueError("reorder needs reorder_ms: how long a frame is held back at most")
        known = sorted({kind.__name__ for kind in TAGS.values()} | set(HANDSHAKES))
        # A client link carries methods, which are the nodes' matter; so is what a word of its own may mean there.
        if "client" not in self.model_dump_json(include={"links", "shape"}):
            for word in self.only:
                if word not in known:
                    raise ValueError(f"only: no message type {word!r}; known: {', '.join(known)}")
        return self

    def fault(self, mode: Mode) -> Fault:
        """The same for a link of that mode."""
        stream = (self.mode or mode.value) == Mode.STREAM.value
        rule = Rule(
            delay_ns=_ns(self.delay_ms),
            jitter_ns=_ns(self.jitter_ms),
            jitter=Jitter(self.jitter),
            drop_ppm=_ppm(self.drop),
            duplicate_ppm=_ppm(self.duplicate),
            reorder_ppm=_ppm(self.reorder),
            reorder_ns=_ns(self.reorder_ms),
            corrupt_ppm=_ppm(self.corrupt),
            corrupt_header=self.corrupt_part == "header",
            bytes_per_s=self.bytes_per_s,
            cut=self.cut,
            only=frozenset(self.only),
            first=self.first,
            stream=stream,
        )
        cut = self.slice
        return Fault(
            rule,
            tear_ppm=_ppm(self.tear),
            slicer=None if cut is None else Slicer(cut.average_bytes, cut.variation_bytes, cut.delay_us * NS_PER_US),
            close_after_bytes=self.close_after_bytes,
            slow_close_ns=_ns(self.slow_close_ms),
            refuse=self.refuse,
            black_hole=self.black_hole,
            half_open=self.half_open,
            reset_after_ns=None if self.reset_after_ms is None else _ns(self.reset_after_ms),
        )

    def check_link(self, link: str, mode: Mode, *, is_of_peers: bool) -> None:
        """BadRequest if this link cannot suffer this fault honestly."""
        if not is_of_peers and (self.mode == "message" or self.corrupt):
            raise BadRequest(
                f"{link}: client frames have no checksum and are not made to be lost one by one: a client link is a stream, "
                "without corrupt; peer links take both"
            )
        fault = self.fault(mode)
        if fault.rule.stream and (self.duplicate or self.reorder):
            raise BadRequest(
                f"{link} is a stream, which neither doubles nor reorders; say mode: message, or leave duplicate and reorder out"
            )


class TransactionPayload(Payload):
    """PUT /faults."""

    id: Identifier
    ttl_s: float = Field(gt=0, le=TTL_S_MAX)
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    faults: list[FaultPayload] = Field(min_length=1, max_length=FAULTS_MAX)


class HealPayload(Payload):
    """POST /heal. Without an id: everything."""

    id: Identifier | None = None
    verify: bool = True


class TapPayload(Payload):
    """PUT /frames."""

    keep: int = Field(default=200_000, ge=1, le=KEEP_MAX)
    links: Names = ["*"]


class CalibrationPayload(Payload):
    """POST /calibrate."""

    rounds: int = Field(default=2_000, ge=100, le=100_000)
    frame_bytes: int = Field(default=128, ge=32, le=65_536)


def explain(problem: ValidationError) -> str:
    """Every wrong field: where, what, and what came."""
    said = []
    for error in problem.errors():
        where = ".".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = "no such field"
        came = "" if error["type"] in ("missing", "value_error") else f" (got {error['input']!r:.80})"
        said.append(f"{where}: {message}{came}" if where else message)
    return "; ".join(said)


def _ns(ms: float) -> int:
    return round(ms * NS_PER_MS)


def _ppm(share: float) -> int:
    return round(share * PPM)
