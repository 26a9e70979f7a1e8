"""Two proposers that outbid each other for ever, and the two cures (PMS, section 2.4). paxos_duel.txt is what they say to each other.

QUORATE_REWRITE=1 writes the file anew. The schedule is the worst one for the eager: each phase 1 ends just before the other's phase 2
arrives.
"""

import os
from pathlib import Path
from random import Random

from tests.protocols.paxos_room import Frame, Room

FILE = Path(__file__).parent / "paxos_duel.txt"


class Duel:
    """`first` begins, and `turn` gives the word to each in turn: its accept of long ago arrives, it hears the answers and goes as far as
    it can without the other: to the end of a phase 1. What it says next is under way until its next turn.
    """

    def __init__(self, title: str, *, seed: int | None = None) -> None:
        self.room = Room(3, 2, patience=lambda name: None if seed is None else Random(f"{seed}/{name}"))
        self.lines = [f"# {title}"]

    def first(self, name: str) -> None:
        self.room.begin(name)
        self._speak(name)
        self._hear(name)

    def turn(self, name: str) -> None:
        self.room.tick(name)
        for _ in range(2):
            self._speak(name)
            self._hear(name)

    def _speak(self, name: str) -> None:
        self._deliver([frame for frame in self.room.under_way if frame.source == name])

    def _hear(self, name: str) -> None:
        self._deliver([frame for frame in self.room.under_way if frame.destination in (name, "l")])

    def _deliver(self, frames: list[Frame]) -> None:
        for frame in frames:
            self.room.under_way.remove(frame)
            self.lines.append(str(frame))
            self.room.deliver(frame)

    @property
    def over(self) -> bool:
        return self.room.learner.chosen is not None


def duel(title: str, turns_max: int, *, seed: int | None = None) -> Duel:
    """Both begin. Without a seed both are eager: whoever is refused begins the next ballot at once. With one, they wait."""
    made = Duel(title, seed=seed)
    made.first("p1")
    made.first("p2")
    for turn in range(turns_max):
        made.turn(("p1", "p2")[turn % 2])
        if made.over:
            break
    return made


def eager(turns_max: int) -> Duel:
    return duel("Eager proposers duel: every accept comes just after the other's prepare.", turns_max)


def patient(seed: int) -> Duel:
    return duel("Patient proposers: a random wait after a refusal lets one of them through.", 200, seed=seed)


def distinguished() -> Duel:
    """Only p1 begins ballots; p2 hands its clients' values to p1."""
    made = Duel("One distinguished proposer: two phases, and it is done.")
    made.first("p1")
    made.turn("p1")
    return made


def test_eager_proposers_never_choose_however_long_they_go_on() -> None:
    made = eager(1_000)

    assert not made.over
    assert {} == made.room.votes
    assert [1000, 1001] == list(made.room.rounds.values())


def test_a_random_wait_ends_every_duel() -> None:
    assert all(patient(seed).over for seed in range(1_000))


def test_a_distinguished_proposer_needs_two_phases() -> None:
    made = distinguished()

    assert made.room.learner.chosen == b"v1.0"
    # To and from each acceptor prepare, promise, accept, accepted; and accepted to the learner.
    assert 3 * 5 == len(made.lines) - 1


def test_the_duel_reads_as_its_file_shows() -> None:
    given = "\n".join("\n".join([*made.lines, ""]) for made in (eager(4), patient(1), distinguished()))
    if os.environ.get("QUORATE_REWRITE"):
        FILE.write_text(given)

    assert FILE.read_text() == given
