"""Figures: where the median of all samples surely lies, and when nobody can say."""

from math import comb

import pytest

from quorate.cluster.compare.figures import Figure, exact, of, quotients, spoken


@pytest.mark.parametrize(
    ("count", "left_out"),
    # The table of the sign test at 5 percent, two-sided.
    [(1, 0), (3, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (25, 7), (100, 39)],
)
def test_the_interval_leaves_out_as_many_samples_at_either_end_as_the_sign_test_allows(count: int, left_out: int) -> None:
    assert (float(left_out), float(count - 1 - left_out)) == of(range(count)).interval


@pytest.mark.parametrize("count", [6, 17, 64, 1_500])
def test_the_interval_is_the_narrowest_that_is_sure_enough(count: int) -> None:
    low, _ = of(range(count)).interval
    outside = [2 * sum(comb(count, heads) for heads in range(int(low) + more)) for more in (1, 2)]

    # Leaving out one more would miss the median too often.
    assert outside[0] * 20 <= 2**count < outside[1] * 20


def test_the_order_of_samples_means_nothing() -> None:
    assert of([3, 1, 2, 9, 8, 7, 5]).interval == of([9, 8, 7, 5, 3, 2, 1]).interval
    assert 5 == of([9, 1, 5]).median


def test_a_quantile_is_one_of_the_samples() -> None:
    figure = of([1, 2, 3, 4, 100])

    assert (1, 3, 100, 100) == tuple(figure.quantile(part) for part in (0, 0.5, 0.95, 1))


def test_ratios_are_made_round_by_round() -> None:
    assert (0.5, 2.0) == quotients(of([10, 400]), of([20, 200])).samples


@pytest.mark.parametrize(
    ("figure", "words"),
    [(exact(6), "6 messages"), (of([7] * 9), "7 messages"), (of([1_000, 2_000, 3_000]), "2,000 messages (1,000..3,000)")],
)
def test_a_figure_is_spoken_with_how_sure_it_is(figure: Figure, words: str) -> None:
    assert words == spoken(figure, "messages", 0)
