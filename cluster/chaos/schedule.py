"""When each fault of a run begins and ends: a function of the scenario, the seed and the duration, of nothing else.

The rule: the same three give the same schedule, so that a run can be repeated; whom a fault such as `kill leader` meets is seen only
then. Nothing is planned to end after the duration, so that the run is over when it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random as Dice

from quorate.cluster.chaos.scenario import Random, Scenario, Step
from quorate.cluster.chaos.vocabulary import Fault

FAULTS_MAX = 5_000
"""Of one run: hours of a fault a second."""
REST_S = 2.0
"""Between two rounds of a schedule."""
SEED_BITS = 32
"""Of a fault's own seed."""


Strike = tuple[float, float, str, Fault]
"""When, for how long, in which words, what."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault to come."""

    number: int
    text: str
    fault: Fault
    at_s: float
    """Since the faults' beginning."""
    for_s: float
    seed: int
    drawn: bool = False
    """By the seed, not by the scenario: it may come at a moment at which it is not possible."""

    @property
    def until_s(self) -> float:
        return self.at_s + self.for_s


def schedule(scenario: Scenario, seed: int, duration_s: float) -> list[Planned]:
    """In the order of their beginnings."""
    told = _told(scenario.schedule, duration_s)
    drawn = [] if scenario.random is None else _drawn(scenario.random, Dice(f"{seed}/schedule"), duration_s)
    strikes = sorted([*((strike, False) for strike in told), *((strike, True) for strike in drawn)], key=lambda each: each[0][0])
    dice = Dice(f"{seed}/faults")
    return [
        Planned(number, text, fault, round(at_s, 3), round(min(for_s, duration_s - at_s), 3), dice.getrandbits(SEED_BITS), is_drawn)
        for number, ((at_s, for_s, text, fault), is_drawn) in enumerate(strikes[:FAULTS_MAX], 1)
    ]


def _told(steps: Sequence[Step], duration_s: float) -> list[Strike]:
    """What the scenario says: `every` on its own; the others in rounds, over and over while a whole round has room."""
    found: list[Strike] = []
    round_: list[Strike] = []
    above_s = 0.0
    for step in steps:
        if step.every_s is not None:
            # What would be cut short is left out: a fault must have the time to show.
            count = min(int((duration_s - step.for_s) / step.every_s) + 1, FAULTS_MAX)
            found += [(at * step.every_s, step.for_s, step.text, step.fault) for at in range(count)]
            above_s = duration_s
        else:
            at_s = step.at_s if step.at_s is not None else above_s + (step.after_s or 0.0)
            round_.append((at_s, step.for_s, step.text, step.fault))
            above_s = at_s + step.for_s
    if round_:
        length_s = max(at_s + for_s for at_s, for_s, _, _ in round_)
        found += [strike for strike in round_ if strike[0] < duration_s]
        again_s = length_s + REST_S
        while again_s + length_s <= duration_s and len(found) < FAULTS_MAX:
            found += [(again_s + at_s, for_s, text, fault) for at_s, for_s, text, fault in round_]
            again_s += length_s + REST_S
    return found


def _drawn(random: Random, dice: Dice, duration_s: float) -> list[Strike]:
    """One after another; several at once up to `together`, and then a time of peace."""
    found: list[Strike] = []
    now_s = 0.0
    running: list[float] = []
    while len(found) < FAULTS_MAX:
        for_s = dice.uniform(*random.for_s)
        text, fault = random.faults[dice.randrange(len(random.faults))]
        pause_s = dice.uniform(*random.every_s)
        if now_s + for_s > duration_s:
            return found
        found.append((now_s, for_s, text, fault))
        running.append(now_s + for_s)
        now_s += pause_s
        still = [end_s for end_s in running if end_s > now_s]
        if len(still) >= random.together or not still:
            # Full, or quiet already: what comes next waits until all has been whole for a while.
            now_s, still = max(now_s, max(running) + random.stable_s), []
        running = still
    return found
