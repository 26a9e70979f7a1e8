"""Results made by hand: every row of every engine, with figures that a test can change."""

from quorate.cluster.compare.figures import Cell, exact, of
from quorate.cluster.compare.rows import PAXOS, SECTIONS, WRITE, Results

WORDS = frozenset({"write.kinds", "write.other", "idle.kinds", "read.promise"})
ENGINES = ("raft", "zab", "kraft", "multipaxos", "fastpaxos", "logship")


def results(engines: tuple[str, ...] = ENGINES, samples: int = 12) -> Results:
    """Everything measured, everywhere something else."""
    made = Results(engines, facts={"date": "today", "commit": "abc"})
    for section in SECTIONS:
        for place, row in enumerate(section.rows):
            for number, engine in enumerate(engines):
                made.put(row.key, engine, cell(row.key, 10 * (place + 1) + number, samples))
    for row in WRITE.rows[:6]:
        made.put(row.key, PAXOS, cell(row.key, 99, samples))
    return made


def cell(key: str, value: float, samples: int) -> Cell:
    if key in WORDS or key.endswith(".leader"):
        return f"words of {key}"
    if key.startswith(("write.", "both.", "batch.", "idle.", "read.", "lease.")):
        return exact(value)
    return of(value + step for step in range(samples))
