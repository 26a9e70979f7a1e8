"""The wire format is frozen: every message's tag, name, fields and their order, as messages.txt says.

A change here breaks clusters whose nodes are upgraded one by one. New messages are added to the file; a line in it never changes, but
for a last field with a default (LATE, `= ...`), which rows leave out while they can.
"""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import quorate.cluster.runtime.snapshotting
import quorate.protocols.fastpaxos
import quorate.protocols.kraft
import quorate.protocols.logship
import quorate.protocols.multipaxos
import quorate.protocols.raft
import quorate.protocols.zab  # noqa: F401
from quorate.cluster.wire.codec import shape_of
from quorate.protocols.core import TAGS, Configuration, Member, Snapshot

TABLE = Path(__file__).parent / "messages.txt"


def described(kind: type) -> str:
    hints = get_type_hints(kind)
    spelled = [
        f"{each.name}: {spelling(hints[each.name])}" + (f" = {each.default}" if each.metadata.get("late") else "")
        for each in fields(kind)
        if each.init
    ]
    return f"{kind.__name__}({', '.join(spelled)})"


def spelling(hint: object) -> str:
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    return re.sub(r"[a-z_.]+\.(?=[A-Z])", "", str(hint))


def table() -> str:
    lines = [f"{tag} {described(kind)}" for tag, kind in sorted(TAGS.items()) if kind.__module__.startswith("quorate.")]
    lines += [f"- {described(kind)}" for kind in (Snapshot, Configuration, Member)]
    return "\n".join(lines) + "\n"


def test_tags_and_fields_are_as_they_always_were() -> None:
    assert TABLE.read_text() == table()


def test_every_message_has_a_shape() -> None:
    for kind in TAGS.values():
        assert tuple(kind.__slots__) == shape_of(kind).names


if __name__ == "__main__":
    TABLE.write_text(table())
