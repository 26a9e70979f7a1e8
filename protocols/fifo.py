"""FIFO channels over a network that loses, repeats and reorders: numbered frames, a reorder buffer, retransmission by ticks.

A channel is one end of a link between two nodes. The rules it keeps:
- what one end hands out is what the other sent, in that order, without gaps and once, or the channel is broken and says so;
- a link has an epoch, its number, drawn by the end that opens it and never used twice by a pair of nodes: frames of another
  link are no concern of this one, and a new link begins both directions anew;
- both buffers are bounded. A frame further ahead than the receiver's bound breaks the channel: a sound sender never lets one go.

An engine that needs FIFO channels (ZAB does; Junqueira et al., DSN 2011, section III) gives each frame three leading fields,
`link, sequence, received`; the last confirms the other direction, cumulatively, as do whatever other messages carry it.
A frame that may leave only after a sync is sent again only after one: it is marked, and whoever asks for overdue frames must
keep to that. What cannot be delivered for ever is not this module's to notice: the engine's own timeouts are.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, TypeVarTuple

from quorate.protocols.core import Message

# Frames sent again at once; the rest follows when these are confirmed. Enough for one round trip of small frames.
RESENT_MAX = 16

M = TypeVar("M", bound=Message)
Fields = TypeVarTuple("Fields")


@dataclass(slots=True)
class Frame:
    """One frame that the other end has not confirmed."""

    sequence: int
    message: Message
    size: int
    after_sync: bool


class Channel:
    """One end of the link `link`. `early_max` bounds the frames that wait for an earlier one."""

    __slots__ = (
        "_due",
        "_early",
        "_interval",
        "_retry_max",
        "_retry_min",
        "_unconfirmed",
        "broken",
        "early_max",
        "link",
        "received",
        "sent",
        "told",
        "unconfirmed_bytes",
    )

    def __init__(self, link: int, *, retry_ticks: int, retry_ticks_max: int, early_max: int) -> None:
        self.link = link
        self.early_max = early_max
        self.sent = 0
        """The sequence number of the last frame sent; they count from 1."""
        self.received = 0
        """Everything up to here has been handed out."""
        self.told = 0
        """... and the other end was told so."""
        self.unconfirmed_bytes = 0
        self.broken = ""
        """Why this channel is of no use any more; empty while it is sound."""
        self._unconfirmed: deque[Frame] = deque()
        self._early: dict[int, Message] = {}
        self._retry_min = self._interval = retry_ticks
        self._retry_max = retry_ticks_max
        self._due = 0

    def __repr__(self) -> str:
        return f"<Channel {self.link} sent={self.sent} unconfirmed={len(self._unconfirmed)} received={self.received} {self.broken}>"

    # Sending

    def frame(self, now: int, size: int, after_sync: bool, make: Callable[[int, int, int, *Fields], M], *fields: *Fields) -> M:
        """The next frame, kept until it is confirmed. `now` in ticks; `size` is what it counts for in the window, in bytes."""
        self.sent += 1
        self.told = self.received
        message = make(self.link, self.sent, self.received, *fields)
        if not self._unconfirmed:
            self._interval = self._retry_min
            self._due = now + self._interval
        self._unconfirmed.append(Frame(self.sent, message, size, after_sync))
        self.unconfirmed_bytes += size
        return message

    def has_room(self, frames_max: int, bytes_max: int) -> bool:
        """Whether one more frame fits into a window."""
        return len(self._unconfirmed) < frames_max and self.unconfirmed_bytes < bytes_max

    def confirm(self, received: int, now: int) -> None:
        """The other end has received everything up to this frame."""
        waiting = self._unconfirmed
        if not waiting or waiting[0].sequence > received:
            return
        if received > self.sent:
            self.broken = f"frame {received} is confirmed, {self.sent} is the last that was sent"
            return
        while waiting and waiting[0].sequence <= received:
            self.unconfirmed_bytes -= waiting.popleft().size
        self._interval = self._retry_min
        self._due = now + self._interval

    def overdue(self, now: int) -> list[Frame]:
        """What is to be sent again now: the oldest frames, if they have been without an answer for too long. Waits twice as
        long each time, up to the bound."""
        if not self._unconfirmed or now < self._due:
            return []
        self._interval = min(2 * self._interval, self._retry_max)
        self._due = now + self._interval
        again = [frame for frame, _ in zip(self._unconfirmed, range(RESENT_MAX))]
        self.told = self.received
        for frame in again:
            # As it stands now: two full windows would else wait for each other's confirmations for ever.
            frame.message = replace(frame.message, received=self.received)  # type: ignore[type-var]  # a dataclass with this field
        return again

    def hurry(self) -> None:
        """What is under way is probably lost: all of it is overdue."""
        self._due = 0

    # Receiving

    def accept(self, sequence: int, message: Message) -> list[Message]:
        """A frame of this link arrived: what can be handed out by it, in order. Nothing once broken."""
        if self.broken or sequence <= self.received:
            return []
        if sequence - self.received > self.early_max:
            self.broken = f"frame {sequence} came while {self.received + 1} is missing; at most {self.early_max} may wait"
            return []
        early = self._early
        if not early and sequence == self.received + 1:
            self.received = sequence
            return [message]
        early[sequence] = message
        ready: list[Message] = []
        while self.received + 1 in early:
            self.received += 1
            ready.append(early.pop(self.received))
        return ready

    @property
    def owes(self) -> int:
        """How many frames the other end does not know to have arrived."""
        return self.received - self.told
