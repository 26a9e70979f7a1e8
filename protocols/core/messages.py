"""Messages between cores: frozen slotted dataclasses of plain fields, each with a tag that is its name on the wire.

On the wire a message is the array [tag, *fields]; the codec in cluster/wire checks tag, arity and types on decode.
The tag table is part of the protocol: a test freezes it, so a tag is never reused and a field never moves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, dataclass_transform

TAGS: dict[int, type["Message"]] = {}


class Message:
    """Base of all messages; made by the `message` decorator only."""

    __slots__ = ()
    tag: ClassVar[int]
    is_beat: ClassVar[bool] = False
    """Said again and again by an idle group: those of many groups may travel together."""


@dataclass_transform(frozen_default=True)
def message(tag: int, *, is_beat: bool = False) -> Callable[[type], type]:
    """Make a frozen slotted dataclass of the class and register it under `tag` (1 to 65535, unique for ever)."""

    def decorate(plain: type) -> type:
        assert tag not in TAGS, f"tag {tag} belongs to {TAGS[tag].__name__}"
        made: type = dataclass(frozen=True, slots=True)(plain)
        assert issubclass(made, Message), f"{plain.__name__} must derive from Message"
        made.tag = tag
        made.is_beat = is_beat
        TAGS[tag] = made
        return made

    return decorate
