"""What was measured: samples, their median, and between which values the median of all such samples surely lies.

The rule it keeps: two figures are told apart only if these intervals do not touch. The interval is the one of order statistics (no
shape of the distribution is assumed): it holds the true median in at least 95 of 100 cases. Fewer than SAMPLES_SURE samples have no
such interval: all of their range stands for it, and fewer than SAMPLES_MIN decide nothing. A count that no chance has a part in is exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

UNSURE_TAILS = 40
"""Each end of the interval is wrong in one of so many cases: together one in twenty."""
SAMPLES_SURE = 6
"""Of five samples not even the whole range is that sure: 2 * 0.5**5 > 0.05."""
SAMPLES_MIN = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """Samples: one for each seed, round or trial, or the one exact count."""

    samples: tuple[float, ...]
    exact: bool = False

    def __post_init__(self) -> None:
        assert self.samples, "a figure without samples is no figure"

    @property
    def median(self) -> float:
        return median(self.samples)

    def rounded(self, digits: int) -> "Figure":
        """As it is shown: what looks the same is the same."""
        return Figure(tuple(round(sample, digits) for sample in self.samples), self.exact)

    @property
    def least(self) -> float:
        return min(self.samples)

    @property
    def greatest(self) -> float:
        return max(self.samples)

    def quantile(self, part: float) -> float:
        """By rank."""
        ranked = sorted(self.samples)
        return ranked[min(len(ranked) - 1, int(part * len(ranked)))]

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true median lies."""
        ranked, count = sorted(self.samples), len(self.samples)
        left_out = -1
        heads, ways, fewer = 0, 1, 1
        # Whoever leaves out k samples at either end misses the median as often as a coin shows at most k heads, or at most k tails.
        while fewer * UNSURE_TAILS <= 2**count:
            left_out = heads
            heads += 1
            ways = ways * (count - heads + 1) // heads
            fewer += ways
        left_out = max(left_out, 0)
        return ranked[left_out], ranked[count - 1 - left_out]


Cell = Figure | str
"""What stands in one place of the table: a figure, or words where there is no number."""


def exact(value: float) -> Figure:
    return Figure((float(value),), exact=True)


def of(values: Iterable[float]) -> Figure:
    return Figure(tuple(float(value) for value in values))


def quotients(above: Figure, below: Figure) -> Figure:
    """Sample by sample: for rounds in which both were measured one after the other."""
    return of(one / other for one, other in zip(above.samples, below.samples, strict=True))


def number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def spoken(figure: Figure, unit: str, digits: int) -> str:
    """The figure in a sentence: its median, and how sure that is."""
    value = number(figure.median, digits)
    words = f"{value} {unit}".rstrip()
    if figure.exact:
        return words
    low, high = (number(end, digits) for end in figure.interval)
    return f"{words} ({low}..{high})" if low != high else words


def counted(samples: Sequence[float], noun: str) -> str:
    return f"{len(samples):,} {noun}" if len(samples) == 1 else f"{len(samples):,} {noun}s"
