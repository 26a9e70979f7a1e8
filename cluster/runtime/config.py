"""What a node is told: a TOML file, then the environment (QUORATE_*), then flags; the later wins.

Every mistake is an error before anything starts, naming the field and what it accepts.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.core import NUMBER_MAX, Configuration, Member

ENVIRONMENT_PREFIX = "QUORATE_"
DEFAULT_GROUP = "default"
GROUPS_MAX = 10_000
"""Beside the default one. Each costs a core, a log in memory and a state machine, and every tick looks at all of them."""
TICK_MS = 10
"""One logical tick of every core. Fine enough for a failover in tens of ms, coarse enough to cost nothing."""

ENGINES = ("raft", "zab", "kraft", "multipaxos", "fastpaxos", "logship")
WITHOUT_PRIORITIES = {
    "zab": "zab elects the longest history, then the highest number",
    "multipaxos": "multipaxos elects whoever prepares first",
    "fastpaxos": "fastpaxos elects whoever prepares first",
    "logship": "logship elects nobody, people promote",
}
"""Engines whose elections know no priority, and whom they elect."""
UNSAFE = {
    "logship": "logship is log shipping, no consensus: it LOSES ACKNOWLEDGED WRITES when a replica is promoted by hand, and may have two "
    "primaries at once. It is here to be compared with. Keep nothing in it that you need."
}
"""Engines that do not keep what they acknowledge, and what everybody who starts them is told."""


class ConfigError(QuorateError):
    """The configuration is wrong; nothing was started."""


def split_address(address: str) -> tuple[str, int]:
    """ "host:port" or "[v6]:port"; ValueError says what is wrong."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"an address is host:port with a port of 0 to 65535, not {address!r}")
    return host.strip("[]") or "0.0.0.0", int(port)


def _checked_address(address: str) -> str:
    split_address(address)
    return address


def checked_name(name: str) -> str:
    """ValueError if it is no name of a node, a cluster or a machine."""
    if not name or len(name) > 64 or not all(letter.isalnum() or letter in "-_." for letter in name):
        raise ValueError(f"a name is 1 to 64 letters, digits, '-', '_' or '.', not {name!r}")
    return name


def checked_group(name: str) -> str:
    """ValueError if it is no name of a group. A group's snapshots lie in a directory of its name."""
    if checked_name(name) == DEFAULT_GROUP:
        raise ValueError(f"{DEFAULT_GROUP!r} is always there: its machine and priority are those of the node")
    if not name.isascii() or not name[0].isalnum():
        raise ValueError(f"a group's name is of ASCII letters, digits, '-', '_' and '.', and begins with a letter or digit, not {name!r}")
    return name


Address = Annotated[str, AfterValidator(_checked_address)]
Name = Annotated[str, AfterValidator(checked_name)]
GroupName = Annotated[str, AfterValidator(checked_group)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MemberConfig(Section):
    """One initial member of the cluster."""

    number: int = Field(ge=1, le=NUMBER_MAX)
    peer: Address
    client: Address


class GroupConfig(Section):
    """One group beside the default one. What it leaves out is as the node's own settings say."""

    machine: Name = "keyvalue"
    priority: int | None = Field(default=None, ge=-1, le=1000)
    target_priority: int | None = Field(default=None, ge=-1, le=1000)


class Listener(Section):
    """Where to listen, and the address that others are told (the same, where empty)."""

    listen: Address
    advertise: Address | None = None

    @property
    def address(self) -> str:
        return self.advertise or self.listen


class HttpConfig(Section):
    """/health, /ready and /metrics."""

    listen: Address = "127.0.0.1:0"
    enabled: bool = True


class TimingConfig(Section):
    """Milliseconds, rounded to ticks of 10 ms."""

    election_timeout_ms: int = Field(default=1000, ge=100, le=60_000)
    heartbeat_ms: int = Field(default=100, ge=10, le=10_000)
    lease_ms: int = Field(default=150, ge=20, le=30_000)
    coalesced: bool = Field(default=True, description="heartbeats of all groups to a peer are one frame; off to measure what that saves")

    @model_validator(mode="after")
    def _in_order(self) -> "TimingConfig":
        if self.heartbeat_ms * 3 > self.election_timeout_ms:
            raise ValueError("election_timeout_ms must be at least three times heartbeat_ms, or one lost heartbeat starts an election")
        if not self.heartbeat_ms < self.lease_ms <= self.election_timeout_ms // 2:
            raise ValueError("lease_ms must be above heartbeat_ms, and at most half of election_timeout_ms")
        return self


class LogConfig(Section):
    """The write-ahead log and the snapshots."""

    segment_mib: int = Field(default=64, ge=1, le=1024)
    snapshot_mib: int = Field(default=32, ge=1, le=4096, description="log bytes after which a snapshot is taken")
    keep_mib: int = Field(default=8, ge=0, le=1024, description="log kept below a snapshot for followers that lag")


class LogshipConfig(Section):
    """For engine = "logship" only: when a write is acknowledged. The same on all nodes."""

    mode: Literal["async", "semisync"] = Field(default="async", description="on the primary's disk; or also on those of `acks` replicas")
    acks: int = Field(default=1, ge=1, le=14, description="how many replicas, in mode semisync")
    ack_timeout_ms: int = Field(
        default=1000, ge=10, le=600_000, description="after so long without them the primary goes on alone, in mode semisync"
    )

    @model_validator(mode="after")
    def _acks_are_waited_for(self) -> "LogshipConfig":
        if self.mode == "async" and (self.acks, self.ack_timeout_ms) != (1, 1000):
            raise ValueError('acks and ack_timeout_ms are for mode = "semisync": mode async waits for nobody')
        return self


class LoggingConfig(Section):
    """What is told on standard error."""

    format: Literal["auto", "human", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class FaultConfig(Section):
    """Switches for chaos runs: off in real life."""

    files: bool = Field(default=False, description="keep unsynced writes in memory, so that kill -9 loses them as a power cut would")
    admin: bool = Field(default=False, description="serve the methods that inject disk and clock faults")


class NodeConfig(BaseSettings):
    """One node."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", env_ignore_empty=True
    )

    cluster: Name
    node: Name
    data: Path
    engine: Literal["raft", "zab", "kraft", "multipaxos", "fastpaxos", "logship"] = "raft"
    peer: Listener
    client: Listener
    http: HttpConfig = HttpConfig()
    members: dict[Name, MemberConfig] = Field(default_factory=dict, description="the initial members; the same on every node")
    join: bool = Field(default=False, description="wait to be added to a running cluster instead of taking part in its bootstrap")
    routes: dict[Name, Address] = Field(default_factory=dict, description="where this node dials a peer: a proxy in between, say")
    machine: Name = Field(default="keyvalue", description="the default group's state machine: an entry point of quorate.machines")
    groups: dict[GroupName, GroupConfig] = Field(
        default_factory=dict, max_length=GROUPS_MAX, description="further groups; a list of names where nothing else is to be said"
    )
    priority: int = Field(default=-1, ge=-1, le=1000, description="election priority: -1 off, 0 never elected, else a rank")
    target_priority: int = Field(default=-1, ge=-1, le=1000, description="the highest priority of the cluster, the same on all nodes")
    timing: TimingConfig = TimingConfig()
    logship: LogshipConfig = LogshipConfig()
    log: LogConfig = LogConfig()
    logging: LoggingConfig = LoggingConfig()
    faults: FaultConfig = FaultConfig()

    @model_validator(mode="after")
    def _members_make_sense(self) -> "NodeConfig":
        numbers = [member.number for member in self.members.values()]
        if len(set(numbers)) != len(numbers):
            raise ValueError("members: every member needs a number of its own")
        if not self.join and self.node not in self.members:
            raise ValueError(
                f"members: {self.node} is not among them ({', '.join(self.members) or 'none given'}); add it, or set join = true"
            )
        return self

    @field_validator("groups", mode="before")
    @classmethod
    def _names_alone(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        twice = sorted({name for name in value if isinstance(name, str) and value.count(name) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return {name: {} for name in value}

    @model_validator(mode="after")
    def _priorities_make_sense(self) -> "NodeConfig":
        elects = WITHOUT_PRIORITIES.get(self.engine)
        for group in (DEFAULT_GROUP, *self.groups):
            where = "" if group == DEFAULT_GROUP else f"groups.{group}."
            its = self.of_group(group)
            if elects is not None and (its.priority, its.target_priority) != (-1, -1):
                raise ValueError(f"{where}priority: {elects}; leave out priority and target_priority")
            if its.priority > max(0, its.target_priority):
                raise ValueError(
                    f"{where}target_priority: {its.target_priority} is below this node's priority {its.priority}; "
                    "it is the highest of all nodes, the same on each"
                )
        return self

    @model_validator(mode="after")
    def _modes_belong_to_log_shipping(self) -> "NodeConfig":
        if self.engine != "logship" and self.logship != LogshipConfig():
            raise ValueError(f'logship: these settings are for engine = "logship", not {self.engine}; leave out the section')
        return self

    def of_group(self, group: str) -> "NodeConfig":
        """The settings as this group sees them: the node's, but for what it says itself."""
        own = self.groups.get(group)
        if own is None:
            return self
        return self.model_copy(update=own.model_dump(exclude_none=True))

    def configuration(self, storages: Mapping[str, str]) -> Configuration:
        """The bootstrap configuration, with the storage ids that the members gave."""
        return Configuration(
            tuple(
                Member(name, member.number, storages[name], peer_address=member.peer, client_address=member.client)
                for name, member in self.members.items()
            )
        )


class _FileSource(PydanticBaseSettingsSource):
    """The values of one parsed TOML file."""

    def __init__(self, settings_cls: type[BaseSettings], values: dict[str, object]) -> None:
        super().__init__(settings_cls)
        self._values = values

    def get_field_value(self, field: object, field_name: str) -> tuple[object, str, bool]:
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, object]:
        return self._values


def load(path: Path | None, flags: Mapping[str, object] | None = None) -> NodeConfig:
    """File, then environment, then `flags` (nested as in the file). ConfigError lists every wrong field."""
    where = str(path) if path else "the environment and flags"
    try:
        values = tomllib.loads(path.read_text("utf-8")) if path else {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give an existing file with --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None

    class FromFile(NodeConfig):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, _FileSource(settings_cls, values)

    try:
        return FromFile(**dict(flags or {}))  # type: ignore[arg-type]  # checked by pydantic, field by field
    except SettingsError as error:
        # A section or a table given as one variable has to be JSON; this is what says that it is none.
        raise ConfigError(f"{ENVIRONMENT_PREFIX}*: {error}: not valid JSON; or give its fields one by one, as SECTION__FIELD") from None
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_explain(problem) for problem in error.errors())) from None


def _explain(problem: ErrorDetails) -> str:
    """One wrong field: its dotted name, what is wrong, and what it accepts."""
    place = problem["loc"]
    name = ".".join(map(str, place))
    if problem["type"] == "extra_forbidden":
        return f"{name}: no such setting{_accepted(place)}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{name}: needed, but neither in the file nor the environment nor the flags"
    return f"{name}: {message} (got {problem['input']!r:.80})" if name else message


def _accepted(place: tuple[int | str, ...]) -> str:
    """The settings that exist beside an unknown one."""
    fields = NodeConfig.model_fields
    if len(place) == 3:
        fields = (GroupConfig if place[0] == "groups" else MemberConfig).model_fields
    elif len(place) == 2:
        section = fields[str(place[0])].annotation
        assert isinstance(section, type) and issubclass(section, BaseModel), place
        fields = section.model_fields
    return f"; accepted: {', '.join(fields)}"
