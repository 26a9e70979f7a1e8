"""What a node tells about itself, typed. Fields that an older or newer node lacks have their empty value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, get_args, get_origin, get_type_hints

from quorate.cluster.wire.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """A member as the asked node knows it. `match`, `state` and `active` are known to the leader only."""

    name: str = ""
    number: int = 0
    voter: bool = True
    promote: bool = False
    storage: str = ""
    peer_address: str = ""
    client_address: str = ""
    match: int | None = None
    state: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One group on the asked node."""

    role: str = ""
    term: int = 0
    leader: str = ""
    leader_address: str = ""
    commit: int = 0
    applied: int = 0
    first: int = 0
    last: int = 0
    durable: int = 0
    snapshot_index: int = 0
    keys: int = 0
    revision: int = 0
    members: tuple[MemberStatus, ...] = ()
    free_number: int | None = None
    """One that no member has or had; None once all were given."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node."""

    node: str = ""
    number: int = 0
    cluster: str = ""
    storage: str = ""
    version: str = ""
    engine: str = ""
    incarnation: int = 0
    uptime_ms: int = 0
    ready: bool = False
    ready_detail: str = ""
    peer_address: str = ""
    client_address: str = ""
    http_address: str = ""
    groups: Mapping[str, GroupStatus] = field(default_factory=dict)
    unknown_groups: tuple[str, ...] = ()
    """Peers speak of these, but this node does not host them."""


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot that a node has just taken."""

    id: str = ""
    index: int = 0
    term: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who a node is; it tells this even before it is part of a cluster."""

    node: str = ""
    cluster: str = ""
    storage: str = ""
    protocol: int = 0
    engine: str = ""
    version: str = ""
    peer_address: str = ""
    client_address: str = ""


T = TypeVar("T", NodeIdentity, MemberStatus, GroupStatus, NodeStatus, SnapshotInfo)


def decode_status(body: object) -> NodeStatus:
    """The reply to `status`. ProtocolError if it is none."""
    body = _map(body)
    groups = {str(name): _group(group) for name, group in _map(body.get("groups", {})).items()}
    unknown = body.get("unknown_groups", [])
    if not isinstance(unknown, list):
        raise ProtocolError(f"unknown_groups are a list, not {unknown!r:.100}")
    return _make(NodeStatus, body, groups=groups, unknown_groups=tuple(map(str, unknown)))


def decode_snapshot(body: object) -> SnapshotInfo:
    """The reply to `snapshot`."""
    return _make(SnapshotInfo, _map(body))


def decode_identity(body: object) -> NodeIdentity:
    """The reply to `identity`."""
    return _make(NodeIdentity, _map(body))


def _group(body: object) -> GroupStatus:
    body = _map(body)
    members = body.get("members", [])
    if not isinstance(members, list):
        raise ProtocolError(f"members are a list, not {members!r:.100}")
    return _make(GroupStatus, body, members=tuple(_make(MemberStatus, _map(member)) for member in members))


def _map(body: object) -> Mapping[object, object]:
    if not isinstance(body, dict):
        raise ProtocolError(f"a status is a map, not {body!r:.100}")
    return body


def _make(kind: type[T], body: Mapping[object, object], **made: object) -> T:
    """The plain fields that are there, each of its own type; nil is as good as not there."""
    known: dict[str, object] = dict(made)
    for name, types in _PLAIN[kind].items():
        value = body.get(name)
        if value is None:
            continue
        if type(value) not in types:
            raise ProtocolError(f"{name} of a status is {' or '.join(kind.__name__ for kind in types)}, not {value!r:.100}")
        known[name] = value
    return kind(**known)  # type: ignore[arg-type]  # each was checked against its field just now


def _plain(kind: type) -> dict[str, tuple[type, ...]]:
    """The fields of a kind that are numbers, texts or flags, with the types that each may have."""
    found: dict[str, tuple[type, ...]] = {}
    for name, hint in get_type_hints(kind).items():
        types = tuple(plain for plain in (int, str, bool) if plain is hint or plain in get_args(hint))
        if types and get_origin(hint) is not tuple and name != "groups":
            found[name] = types
    return found


_KINDS = (MemberStatus, GroupStatus, NodeStatus, NodeIdentity, SnapshotInfo)
_PLAIN: dict[type, dict[str, tuple[type, ...]]] = {kind: _plain(kind) for kind in _KINDS}
