"""Live faults by their words: what people type after `quorate chaos`, and what scenario files hold.

The rule: the simulator's names wherever it has the fault (with - for _), and a fault's text, `str(fault)`, reads back as the same fault. A
mistake is a NotAFault that names the field and what it accepts, before anything happens.

    partition n1,n2 / n3        isolate leader         jitter 50ms±30ms --link "n1>n2" --dist pareto
    drop 10%                    reorder 10% 20ms       delay 5ms + drop 1%        (several at once: with a + in between)
    kill leader                 pause n2               clock n3 +5s               slow-disk n2 20ms

Nodes: names, with commas in between; `leader`, `follower` (all who do not lead), `one-follower`, `random`, `minority`, `majority`, `*` or
`all`. The seed says who; who leads is asked once, when the fault begins. Links: `n1>n2` or, where > is the shell's, `n1:n2`; `*` is all.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quorate.cluster.chaos import units
from quorate.cluster.chaos.connection_faults import BlackHole, HalfOpen, Mix, PerLink, Refuse, Reset, Tear, mixed
from quorate.cluster.chaos.link_faults import (
    Bandwidth,
    Bridge,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Flapping,
    Isolate,
    Jitter,
    Minority,
    Names,
    OneWay,
    Partition,
    Reorder,
    Ring,
    Swizzle,
)
from quorate.cluster.chaos.node_faults import (
    Clock,
    FailDisk,
    FlipBit,
    FullDisk,
    Kill,
    Learner,
    LyingDisk,
    Pause,
    PromoteByHand,
    Remove,
    Restart,
    SlowDisk,
    StallDisk,
    Stop,
    Transfer,
    WipeDisk,
)
from quorate.cluster.chaos.units import NotAFault
from quorate.cluster.chaos.words import Words

Shaped = Partition | Isolate | Minority | OneWay | Bridge | Ring | Flapping | Swizzle
OnLinks = Shaped | PerLink | Mix
OnProcesses = Kill | Stop | Restart | Pause
OnDisks = SlowDisk | StallDisk | FullDisk | FailDisk | LyingDisk | FlipBit | WipeDisk
OnMembers = Remove | Learner | Transfer | PromoteByHand
OnNodes = OnProcesses | Clock | OnDisks | OnMembers
Fault = OnLinks | OnNodes

ROLES = ("leader", "follower", "one-follower", "random", "minority", "majority", "*")
"""Words for nodes that are not their names; `all` is read as *."""
CLIENT = "client"
"""All clients together, as one end of a link."""
DISTRIBUTIONS = ("uniform", "normal", "exponential", "pareto")


@dataclass(frozen=True, slots=True)
class Verb:
    """How one fault is written."""

    usage: str
    read: Callable[[Words], Fault]
    example: str


def _partition(words: Words) -> Partition:
    sides = tuple(words.names_of("partition", side) for side in words.rest().replace("|", "/").split("/"))
    if len(sides) < 2:
        raise NotAFault("partition: groups with / in between, for instance partition n1,n2 / n3")
    known = [name for side in sides for name in side]
    if twice := next((name for name in known if known.count(name) > 1), ""):
        raise NotAFault(f"partition: {twice} stands on two sides")
    return Partition(sides)


def _one_way(words: Words) -> OneWay:
    sides = words.rest().replace(">", "/").split("/")
    if len(sides) != 2:
        raise NotAFault("one-way: from / to, for instance one-way n1 / n2,n3: nothing from n1 arrives at the others")
    return OneWay(words.names_of("from", sides[0]), words.names_of("to", sides[1]))


def _jitter(words: Words) -> Jitter:
    delay_ms, jitter_ms = words.take("jitter", units.spread_ms)
    dist = words.option("dist", units.one_of(*DISTRIBUTIONS), "uniform")
    if dist == "uniform" and jitter_ms > delay_ms:
        raise NotAFault(
            "jitter: uniform goes from delay - jitter to delay + jitter, and no delay is negative; take a larger delay or another --dist"
        )
    return Jitter(delay_ms, jitter_ms, dist, words.links())


def _drop(words: Words) -> Drop:
    share = words.take("share", units.some_share)
    return Drop(share, words.links(), words.options("only"), words.option("first", units.count, 0))


def _kill(words: Words) -> Kill:
    lose, torn = words.flag("lose-unsynced"), words.flag("torn-tail")
    if lose and torn:
        raise NotAFault("kill: either --lose-unsynced (all of it) or --torn-tail (the end of it)")
    return Kill(words.nodes(), lose, torn)


def _clock(words: Words) -> Clock:
    nodes = words.nodes()
    if words.follows("drift"):
        return Clock(nodes, drift_ppm=words.take("drift", units.drift_ppm))
    offset_ms = words.take("offset", units.offset_ms)
    return Clock(nodes, offset_ms, words.take("drift", units.drift_ppm) if words.follows("drift") else 0)


LINK, NODES = "[--link A>B]...", "NODE,..."

VERBS: dict[str, Verb] = {
    "partition": Verb("NODE,... / NODE,... [/ ...]", _partition, "partition n1,n2 / n3"),
    "isolate": Verb("NODE", lambda words: Isolate(words.node()), "isolate leader"),
    "minority": Verb("[NODE]", lambda words: Minority(words.node("")), "minority leader"),
    "one-way": Verb("NODE,... / NODE,...", _one_way, "one-way leader / follower"),
    "bridge": Verb("[NODE,...]", lambda words: Bridge(words.nodes(())), "bridge n1,n2,n3"),
    "ring": Verb("[NODE,...]", lambda words: Ring(words.nodes(())), "ring"),
    "flapping": Verb(
        f"DURATION [--count N] {LINK}",
        lambda words: Flapping(words.take("period", units.some_duration_ms), words.option("count", units.count, 100), words.links()),
        "flapping 300ms --link leader>*",
    ),
    "swizzle": Verb(f"DURATION {LINK}", lambda words: Swizzle(words.take("step", units.some_duration_ms), words.links()), "swizzle 200ms"),
    "cut": Verb(LINK, lambda words: Cut(words.links()), "cut --link n1>n2"),
    "delay": Verb(f"DURATION {LINK}", lambda words: Delay(words.take("delay", units.some_duration_ms), words.links()), "delay 50ms"),
    "jitter": Verb(f"DELAY±JITTER [--dist {'|'.join(DISTRIBUTIONS)}] {LINK}", _jitter, "jitter 50ms±30ms"),
    "drop": Verb(f"SHARE [--only TYPE]... [--first N] {LINK}", _drop, "drop 10%"),
    "duplicate": Verb(f"SHARE {LINK}", lambda words: Duplicate(words.take("share", units.some_share), words.links()), "duplicate 5%"),
    "reorder": Verb(
        f"SHARE DURATION {LINK}",
        lambda words: Reorder(words.take("share", units.some_share), words.take("held back by", units.some_duration_ms), words.links()),
        "reorder 10% 20ms",
    ),
    "corrupt": Verb(
        f"SHARE [--part payload|header] {LINK}",
        lambda words: Corrupt(
            words.take("share", units.some_share), words.option("part", units.one_of("payload", "header"), "payload"), words.links()
        ),
        "corrupt 1%",
    ),
    "bandwidth": Verb(
        f"RATE {LINK}", lambda words: Bandwidth(words.take("bandwidth", units.bytes_per_s), words.links()), "bandwidth 1MB/s"
    ),
    "refuse": Verb(LINK, lambda words: Refuse(words.links()), "refuse --link n1>n2"),
    "black-hole": Verb(LINK, lambda words: BlackHole(words.links()), "black-hole --link n1>n2"),
    "reset": Verb(
        f"[--after DURATION] {LINK}",
        lambda words: Reset(words.option("after", units.duration_ms, 0.0), words.links()),
        "reset --after 500ms --link leader>*",
    ),
    "half-open": Verb(LINK, lambda words: HalfOpen(words.links()), "half-open --link n1>n2"),
    "tear": Verb(f"SHARE {LINK}", lambda words: Tear(words.take("share", units.some_share), words.links()), "tear 1%"),
    "kill": Verb(f"{NODES} [--lose-unsynced | --torn-tail]", _kill, "kill leader"),
    "stop": Verb(NODES, lambda words: Stop(words.nodes()), "stop n2"),
    "restart": Verb(NODES, lambda words: Restart(words.nodes()), "restart n2"),
    "pause": Verb(NODES, lambda words: Pause(words.nodes()), "pause n2"),
    "clock": Verb(f"{NODES} OFFSET | {NODES} drift DRIFT", _clock, "clock n3 +5s"),
    "slow-disk": Verb(
        f"{NODES} DURATION", lambda words: SlowDisk(words.nodes(), words.take("delay", units.some_duration_ms)), "slow-disk n2 20ms"
    ),
    "stall-disk": Verb(NODES, lambda words: StallDisk(words.nodes()), "stall-disk n2"),
    "full-disk": Verb(NODES, lambda words: FullDisk(words.nodes()), "full-disk n2"),
    "fail-disk": Verb(NODES, lambda words: FailDisk(words.nodes()), "fail-disk n2"),
    "lying-disk": Verb(NODES, lambda words: LyingDisk(words.nodes()), "lying-disk all"),
    "flip-bit": Verb(NODES, lambda words: FlipBit(words.nodes()), "flip-bit n2"),
    "wipe-disk": Verb(NODES, lambda words: WipeDisk(words.nodes()), "wipe-disk n2"),
    "remove": Verb(NODES, lambda words: Remove(words.nodes()), "remove n3"),
    "learner": Verb(NODES, lambda words: Learner(words.nodes()), "learner n3"),
    "transfer": Verb("[NODE]", lambda words: Transfer(words.nodes(())), "transfer n2"),
    "promote-by-hand": Verb("NODE", lambda words: PromoteByHand((words.node(),)), "promote-by-hand n2"),
}
SYNONYMS = {
    "halves": "partition",
    "latency": "delay",
    "slow-link": "delay",
    "thin-link": "bandwidth",
    "corrupt-link": "corrupt",
    "blackhole": "black-hole",
    "crash": "kill",
    "failing-disk": "fail-disk",
    "bit-flip": "flip-bit",
}
"""Other words for the same, among them the simulator's where the command line has one of its own."""


def parse(text: str | Sequence[str]) -> Fault:
    """The fault that a text, or the words of a command line, say."""
    try:
        words = shlex.split(text) if isinstance(text, str) else list(text)
    except ValueError as error:
        raise NotAFault(f"{error} in {text!r}") from None
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "+":
            parts.append([])
        else:
            parts[-1].append(word)
    faults = [_parse_one(part) for part in parts]
    return faults[0] if len(faults) == 1 else mixed(faults)


def _parse_one(words: list[str]) -> Fault:
    if not words:
        raise NotAFault(f"a fault begins with one of {', '.join(VERBS)}")
    verb = words[0].replace("_", "-")
    name = SYNONYMS.get(verb, verb)
    if name not in VERBS:
        raise NotAFault(f"no fault {words[0]!r}; there are {', '.join(VERBS)}")
    reading = Words(name, VERBS[name].usage, words[1:])
    fault = VERBS[name].read(reading)
    reading.finish()
    return fault


def usage(verb: str) -> str:
    return f"{verb} {VERBS[verb].usage}"


def node_words(fault: Fault) -> Names:
    """All words for nodes in it."""
    if isinstance(fault, Partition):
        return tuple(name for side in fault.sides for name in side)
    if isinstance(fault, (Isolate, Minority)):
        return (fault.node,) if fault.node else ()
    if isinstance(fault, OneWay):
        return fault.sources + fault.destinations
    if isinstance(fault, (Bridge, Ring, OnNodes)):
        return fault.nodes
    return _ends(fault.links)


def _ends(links: Names) -> Names:
    return tuple(word for link in links if link != "*" for end in link.split(">") for word in end.split(","))


def checked(fault: Fault, names: Sequence[str]) -> Fault:
    """NotAFault if it names a node that is none of these."""
    for word in node_words(fault):
        if word not in names and word not in ROLES and word != CLIENT:
            raise NotAFault(f"{fault.verb}: no node {word!r}; there are {', '.join(names)}, and the words {', '.join(ROLES)}")
    return fault
