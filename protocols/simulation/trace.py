"""What happened, in words: the readable trace of a run and the output of scenarios.

The rule it keeps: the text is a function of the events alone, so that two runs of one seed give the same text, byte for byte.
"""

from collections.abc import Iterable
from dataclasses import fields
from zlib import crc32

from quorate.protocols.core import Effects, Entry, Kind, Message, NodeId, original
from quorate.protocols.log import unpack
from quorate.protocols.simulation.envelopes import describe as describe_command
from quorate.protocols.simulation.policy import Rule
from quorate.protocols.simulation.schedule import MILLISECOND, Schedule
from quorate.protocols.simulation.swarm import FAULTS, Settings


def describe_entry(entry: Entry) -> str:
    """index/term and what it is: 7/2 "x=1", 8/2 no-op; 9/4 of 2 no-op, where it was first proposed in term 2."""
    ballot, entry = entry.term, original(entry)
    match entry.kind:
        case Kind.COMMAND:
            what = describe_command(entry.data)
        case Kind.NOOP:
            what = "no-op"
        case _:
            what = "members"
    again = "" if ballot == entry.term else f" of {entry.term}"
    return f"{entry.index}/{ballot}{again} {what}"


def describe_entries(entries: Iterable[Entry]) -> str:
    return "[" + ", ".join(describe_entry(entry) for entry in entries) + "]"


def describe(message: Message) -> str:
    """Name(field=value, ...): blobs as the entries they hold, empty fields left out."""
    shown = []
    for field in fields(message):  # type: ignore[arg-type]  # every message is a dataclass: the decorator makes it one
        value = getattr(message, field.name)
        if isinstance(value, bytes):
            if value:
                shown.append(f"{field.name}={describe_blob(value)}")
        elif value is True:
            shown.append(field.name)
        elif value not in (None, False, "", ()):
            shown.append(f"{field.name}={value}")
    return f"{type(message).__name__}({', '.join(shown)})"


def describe_blob(blob: bytes) -> str:
    try:
        return describe_entries(unpack(blob))
    except ValueError:
        return f"{len(blob)} bytes"


def describe_settings(settings: Settings) -> str:
    """The world that a seed stands for, in a few lines."""
    faults = [f"{name} {weight}" for name, weight in zip(FAULTS, settings.weights) if weight]
    snapshots = f"a snapshot every {settings.compact_every} entries" if settings.compact_every else "no snapshots"
    return "\n".join(
        (
            f"{plural(settings.nodes, 'node')}, {plural(settings.clients, 'client')}, {percent(settings.read_ppm)} reads; {snapshots}",
            f"links: {describe_rule(settings.rule)}",
            f"disks: a sync takes up to {ms(settings.fsync_ns)}; {percent(settings.slow_fsync_ppm)} up to {ms(settings.slow_fsync_ns)}",
            f"faults: every {ms(settings.fault_ns)}, a repair after {ms(settings.repair_ns)}; odds: {', '.join(faults) or 'none'}",
        )
    )


def describe_rule(rule: Rule) -> str:
    """What every link does to its frames from the beginning on."""
    parts = [f"{ms(rule.delay_ns)} and {rule.jitter.value} {ms(rule.jitter_ns)} more"]
    rates = ((rule.drop_ppm, "lost"), (rule.duplicate_ppm, "duplicated"), (rule.corrupt_ppm, "damaged"))
    parts += [f"{percent(rate)} {what}" for rate, what in rates if rate]
    if rule.reorder_ppm:
        parts.append(f"{percent(rule.reorder_ppm)} held back by up to {ms(rule.reorder_ns)}")
    return ", ".join(parts) + ("; as a stream" if rule.stream else "; as single messages")


def ms(ns: int) -> str:
    return f"{ns / MILLISECOND:g} ms"


def percent(ppm: int) -> str:
    return f"{ppm / 10_000:g} %"


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Trace:
    """Collects lines while `on`. Everyone checks `on` first: describing costs more than doing.

    `timed` traces carry the time, arrivals and syncs too; on a fixed schedule these say nothing that the command did not.
    """

    def __init__(self, schedule: Schedule, on: bool = False, timed: bool = True) -> None:
        self._schedule = schedule
        self._timed = timed
        self.on = on
        self.lines: list[str] = []
        self.digest = 0

    def say(self, who: str, what: str) -> None:
        if self.on:
            line = f"{self._schedule.now / MILLISECOND:>10.3f} {who} {what}" if self._timed else f"{who} {what}"
            self.lines.append(line)
            self.digest = crc32(line.encode(), self.digest)

    def receives(self, name: NodeId, sender: NodeId, message: Message) -> None:
        if self._timed:
            self.say(name, f"< {sender} {describe(message)}")

    def takes(self, name: NodeId, effects: Effects) -> None:
        """One line for each thing that the core wants done, in the order of the doing."""
        for note in effects.notes:
            facts = " ".join(f"{key}={value}" for key, value in note.fields.items())
            self.say(name, f"* {note.kind} {facts}".rstrip())
        for send in effects.sends:
            self.say(name, f"> {send.to} {describe(send.message)}")
        if effects.writes:
            parts = [f"writes {effects.serial}:"]
            if effects.snapshot is not None:
                parts.append(f"snapshot {effects.snapshot.index}/{effects.snapshot.term}")
            if effects.truncate is not None:
                parts.append(f"truncate {effects.truncate}")
            if effects.promise is not None:
                parts.append(describe(effects.promise))
            if effects.entries:
                parts.append(describe_entries(effects.entries))
            self.say(name, " ".join(parts))
        for send in effects.sends_after_sync:
            self.say(name, f">> {send.to} {describe(send.message)}")
        if effects.committed:
            self.say(name, f"commits {describe_entries(effects.committed)}")
        for ready in effects.reads:
            self.say(name, f"may answer a read from {ready.index}")
        for refused in effects.refused:
            self.say(name, f"refuses: {refused.reason.value}" + (f", ask {refused.leader}" if refused.leader else ""))
        for transfer in effects.transfers:
            self.say(name, f"streams snapshot {transfer.snapshot.index}/{transfer.snapshot.term} to {transfer.to}")

    def synced(self, name: NodeId, serial: int) -> None:
        if self._timed:
            self.say(name, f"synced {serial}")
