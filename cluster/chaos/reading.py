"""Scenarios from YAML files and by name.

The rule: whatever the file says wrongly, an unknown field, node, fault or unit, is an error here, with its line.
"""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from quorate.cluster.chaos import units
from quorate.cluster.chaos.scenario import (
    BETWEEN_S_DEFAULT,
    DURATION_S_DEFAULT,
    FOR_S_DEFAULT,
    NODES_DEFAULT,
    STABLE_S_DEFAULT,
    TOGETHER_DEFAULT,
    Expectations,
    Load,
    Random,
    Scenario,
    Step,
)
from quorate.cluster.chaos.vocabulary import Fault, node_words, parse
from quorate.cluster.chaos.yaml_tree import BadScenario, Place, parsed
from quorate.cluster.local.directory import ClusterRecord, NodeRecord, Settings, checked_settings, node_settings
from quorate.cluster.runtime.config import ENGINES, ConfigError, load
from quorate.cluster.wire.errors import QuorateError

NODES_MAX = 7
CLIENTS_MAX = 1_000
RATE_MAX = 100_000
KEYS_MAX = 10_000
VALUE_BYTES_MAX = 65_536
SECONDS_MAX = 86_400.0
SUFFIX = ".yaml"
LOAD_FIELDS = (
    "clients",
    "rate",
    "keys",
    "hot",
    "reads",
    "swaps",
    "lease_reads",
    "value_bytes",
    "timeout",
    "exactly_once",
)
STEP_FIELDS = ("fault", "at", "after", "every", "for")
RANDOM_FIELDS = ("faults", "every", "for", "stable", "together")
NODE_WORDS = ("leader", "follower", "one-follower", "random", "minority", "majority", "*", "all", "client")
EXPECT_FIELDS = ("recover_within", "converge_within", "control")
FIELDS = ("name", "doc", "engine", "cluster", "duration", "load", "schedule", "random", "expect")


def names() -> list[str]:
    """Of the scenarios that come with the package."""
    return sorted(each.name.removesuffix(SUFFIX) for each in files("quorate.cluster.chaos").joinpath("scenarios").iterdir())


def named(name: str) -> Scenario:
    """One that comes with the package."""
    found = files("quorate.cluster.chaos").joinpath("scenarios", f"{name}{SUFFIX}")
    if name not in names():
        raise BadScenario(f"no scenario {name!r} and no such file; scenarios: {', '.join(names())}; or name a file *.yaml")
    return from_text(found.read_text("utf-8"), f"{name}{SUFFIX}")


def find(word: str) -> Scenario:
    """By name, or from a file."""
    if not word.endswith((".yaml", ".yml")) and "/" not in word:
        return named(word)
    try:
        text = Path(word).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(f"cannot read {word}: {error.strerror if isinstance(error, OSError) else error}") from None
    return from_text(text, word)


def from_text(text: str, source: str) -> Scenario:
    """BadScenario names file, line and field."""
    top = parsed(text, source)
    given = top.fields(*FIELDS, needed=("name", "doc"))
    if "schedule" not in given and "random" not in given:
        raise top.wrong("neither schedule nor random: nothing would happen; give one of them, or both")
    nodes, settings = _cluster(given["cluster"]) if "cluster" in given else (NODES_DEFAULT, {})
    cluster = tuple(f"n{number}" for number in range(1, nodes + 1))
    return Scenario(
        name=given["name"].text(),
        doc=" ".join(given["doc"].text().split()),
        nodes=nodes,
        settings=settings,
        engine=given["engine"].one_of(*ENGINES) if "engine" in given else "",
        duration_s=given["duration"].read(units.long_duration_ms) / 1_000 if "duration" in given else DURATION_S_DEFAULT,
        load=_load(given["load"]) if "load" in given else Load(),
        schedule=_schedule(given["schedule"], cluster) if "schedule" in given else (),
        random=_random(given["random"], cluster) if "random" in given else None,
        expect=_expectations(given["expect"]) if "expect" in given else Expectations(),
    )


def _cluster(place: Place) -> tuple[int, Settings]:
    given = place.fields("nodes", "settings")
    nodes = given["nodes"].whole(1, NODES_MAX) if "nodes" in given else NODES_DEFAULT
    settings: Settings = {}
    if "settings" in given:
        told = given["settings"].plain()
        try:
            settings = checked_settings(told) if isinstance(told, dict) else {}
            _try(settings)
        except (QuorateError, ConfigError) as error:
            raise given["settings"].wrong(error.message) from None
        if not isinstance(told, dict):
            raise given["settings"].wrong("settings of nodes, nested as in their configuration file, for instance timing: {lease_ms: 200}")
    return nodes, settings


def _try(settings: Settings) -> None:
    """A mistyped setting is an error here, not three dead nodes."""
    sample = ClusterRecord("chaos", "raft", {"n1": NodeRecord(1, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")}, dict(settings))
    load(None, node_settings(sample, "n1", Path("data")))


def _seconds(place: Place) -> float:
    return place.read(units.some_duration_ms) / 1_000


def _load(place: Place) -> Load:
    given = place.fields(*LOAD_FIELDS)
    readers: dict[str, Callable[[Place], float | bool]] = {
        "clients": lambda at: at.whole(1, CLIENTS_MAX),
        "rate": lambda at: at.whole(1, RATE_MAX),
        "keys": lambda at: at.whole(1, KEYS_MAX),
        "hot": lambda at: at.read(units.some_share),
        "reads": lambda at: at.read(units.share),
        "swaps": lambda at: at.read(units.share),
        "lease_reads": lambda at: at.read(units.share),
        "value_bytes": lambda at: at.whole(16, VALUE_BYTES_MAX),
        "timeout": _seconds,
        "exactly_once": Place.flag,
    }
    values = {name: readers[name](at) for name, at in given.items()}
    if "timeout" in values:
        values["timeout_s"] = values.pop("timeout")
    made = Load(**values)  # type: ignore[arg-type]  # each was read by its own reader
    if made.reads + made.swaps > 0.95:
        raise place.wrong("reads and swaps leave no room for writes; together at most 95%")
    return made


def _schedule(place: Place, nodes: tuple[str, ...]) -> tuple[Step, ...]:
    steps = [_step(each, nodes, first=at == 0) for at, each in enumerate(place.items())]
    if not steps:
        raise place.wrong("no step; a step is `- {at: 2s, for: 3s, fault: isolate leader}`")
    return tuple(steps)


def _step(place: Place, nodes: tuple[str, ...], *, first: bool) -> Step:
    given = place.fields(*STEP_FIELDS, needed=("fault",))
    when = [name for name in ("at", "after", "every") if name in given]
    if len(when) != 1:
        raise place.wrong(f"one of at, after and every says when; given: {', '.join(when) or 'none'}")
    if first and "after" in given:
        raise given["after"].wrong("the first step has no step above it; write at")
    for_s = _seconds(given["for"]) if "for" in given else FOR_S_DEFAULT
    moment: dict[str, float] = {name: given[name].read(units.duration_ms) / 1_000 for name in ("at", "after") if name in given}
    if "every" in given:
        moment["every"] = _seconds(given["every"])
        if moment["every"] < for_s:
            raise given["every"].wrong(f"a new one would begin before the last has ended, which lasts {for_s:g}s")
    return Step(
        _fault(given["fault"], nodes),
        given["fault"].text(),
        for_s,
        at_s=moment.get("at"),
        after_s=moment.get("after"),
        every_s=moment.get("every"),
    )


def _fault(place: Place, nodes: tuple[str, ...]) -> Fault:
    fault = place.read(lambda _, text: parse(text))
    for word in node_words(fault):
        if word not in nodes and word not in NODE_WORDS:
            raise place.wrong(f"no node {word!r} in a cluster of {len(nodes)}; there are {', '.join(nodes)}, and {', '.join(NODE_WORDS)}")
    return fault


def _random(place: Place, nodes: tuple[str, ...]) -> Random:
    given = place.fields(*RANDOM_FIELDS, needed=("faults",))
    faults = tuple((each.text(), _fault(each, nodes)) for each in given["faults"].items())
    if not faults:
        raise given["faults"].wrong("no fault to choose from")
    return Random(
        faults,
        every_s=_range(given["every"]) if "every" in given else BETWEEN_S_DEFAULT,
        for_s=_range(given["for"]) if "for" in given else BETWEEN_S_DEFAULT,
        stable_s=given["stable"].read(units.duration_ms) / 1_000 if "stable" in given else STABLE_S_DEFAULT,
        together=given["together"].whole(1, 10) if "together" in given else TOGETHER_DEFAULT,
    )


def _range(place: Place) -> tuple[float, float]:
    """ "2s", or "1s..4s": from one to the other."""
    low, dots, high = place.text().partition("..")
    first = place.read(lambda field, _: units.some_duration_ms(field, low)) / 1_000
    last = place.read(lambda field, _: units.some_duration_ms(field, high)) / 1_000 if dots else first
    if last < first:
        raise place.wrong(f"from the shorter to the longer, not {place.text()!r}")
    return first, last


def _expectations(place: Place) -> Expectations:
    given = place.fields(*EXPECT_FIELDS)
    default = Expectations()
    return Expectations(
        recover_within=given["recover_within"].number(1, 1_000) if "recover_within" in given else default.recover_within,
        converge_within_s=_seconds(given["converge_within"]) if "converge_within" in given else default.converge_within_s,
        control=given["control"].flag() if "control" in given else default.control,
    )
