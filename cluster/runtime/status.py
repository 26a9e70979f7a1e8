"""A node at a glance: the status that clients ask for, and the samples that Prometheus scrapes."""

from collections.abc import Iterator

from quorate.cluster.admin.http import Sample
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.storage.commit import Counters

LOG_SAMPLES = {
    "sync_count": ("counter", "device writes, each with one sync"),
    "record_count": ("counter", "records written, one for each batch of a group"),
    "byte_count": ("counter", "bytes written"),
    "merged_count": ("counter", "records that shared another's device write"),
    "sync_ns_last": ("gauge", "nanoseconds that the last write and its sync took"),
    "sync_ns_sum": ("counter", "nanoseconds that all writes and their syncs took"),
    "roll_count": ("counter", "segments begun"),
    "roll_stall_count": ("counter", "segments that had to be made on the spot, because no spare was ready"),
    "rewritten_count": ("counter", "records of idle groups written again, so that old segments could go"),
    "released_count": ("counter", "segments that nothing needed any more"),
    "background_failed_count": ("counter", "work beside the log that failed and is tried again later"),
    "refused_count": ("counter", "writes after the log had failed: neither written nor answered"),
    "queued_bytes": ("counter", "bytes given to the log's thread"),
    "taken_bytes": ("counter", "bytes that the log's thread has dealt with"),
    "queue_bytes": ("gauge", "bytes that wait for the disk, or are being written"),
}
"""What the write-ahead log counts: kind and help."""


def group_status(replica: Replica) -> dict[str, object]:
    """One group, as the `status` method gives it: plain types only."""
    status = replica.core.status
    leader = status.configuration.get(status.leader) if status.leader else None
    members: list[dict[str, object]] = []
    for member in status.configuration.members:
        row: dict[str, object] = {
            "name": member.name,
            "number": member.number,
            "voter": member.voter,
            "promote": member.promote,
            "storage": member.storage,
            "peer_address": member.peer_address,
            "client_address": member.client_address,
        }
        progress = status.progress.get(member.name)
        if progress is not None:
            row |= {"match": progress.match, "state": progress.state, "active": progress.recently_active}
        members.append(row)
    return {
        "role": "failed" if replica.failure else status.role,
        "failure": replica.failure,
        "term": status.term,
        "leader": status.leader,
        "leader_address": leader.client_address if leader else "",
        "commit": status.commit,
        "applied": replica.applier.index,
        "first": status.first,
        "last": status.last,
        "durable": status.durable,
        "snapshot_index": replica.snapshots.index,
        "members": members,
        "free_number": status.configuration.free_number,
    }


def log_samples(counters: Counters) -> Iterator[Sample]:
    for name, (kind, text) in LOG_SAMPLES.items():
        yield f"quorate_log_{name}", kind, f"write-ahead log: {text}", {}, getattr(counters, name)


def group_samples(group: str, replica: Replica) -> Iterator[Sample]:
    status = replica.core.status
    labels = {"group": group}

    def gauge(name: str, text: str, value: float) -> Sample:
        return f"quorate_{name}", "gauge", text, labels, value

    yield gauge("is_leader", "1 where this node leads the group", status.leader == replica.node)
    yield gauge("term", "the engine's term, epoch or ballot", status.term)
    yield gauge("commit_index", "last index known to be committed", status.commit)
    yield gauge("applied_index", "last index applied to the state machine", replica.applier.index)
    yield gauge("durable_index", "last index that is durable on this node's disk", status.durable)
    yield gauge("last_index", "last index in this node's log", status.last)
    yield gauge("first_index", "first index still in this node's log", status.first)
    yield gauge("snapshot_index", "index of the newest snapshot", replica.snapshots.index)
    yield gauge("proposals_waiting", "proposals of this node without an outcome yet", len(replica.applier.waiting))
    yield gauge("apply_backlog", "entries committed and not yet applied", replica.applier.backlog)
    yield "quorate_turns", "counter", "turns of the driver", labels, replica.driver.turn_count
    yield "quorate_leader_changes", "counter", "times this node saw the leader or the term change", labels, replica.leadership_change_count
    for name, progress in status.progress.items():
        peer = labels | {"peer": name}
        yield "quorate_match_index", "gauge", "what the leader knows to be durable on a peer", peer, progress.match
