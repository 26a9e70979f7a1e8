"""FIFO channels: order, gaps, repeats, bounds, and retransmission by ticks."""

from random import Random

from quorate.protocols.core import Message, message
from quorate.protocols.fifo import RESENT_MAX, Channel


@message(65210)
class Word(Message):
    link: int
    sequence: int
    received: int
    text: str


def channel(link: int = 7, early_max: int = 8) -> Channel:
    return Channel(link, retry_ticks=3, retry_ticks_max=12, early_max=early_max)


def say(end: Channel, *texts: str, now: int = 0) -> list[Word]:
    return [end.frame(now, len(text), False, Word, text) for text in texts]


def hear(end: Channel, words: list[Word]) -> list[str]:
    return [one.text for word in words for one in end.accept(word.sequence, word) if isinstance(one, Word)]


def test_frames_are_numbered_from_one_and_carry_the_link() -> None:
    assert [(7, 1, "a"), (7, 2, "b")] == [(word.link, word.sequence, word.text) for word in say(channel(), "a", "b")]


def test_frames_in_order_are_handed_out_at_once() -> None:
    assert ["a", "b"] == hear(channel(), say(channel(), "a", "b"))


def test_an_early_frame_waits_for_the_one_before_it() -> None:
    first, second, third = say(channel(), "a", "b", "c")
    end = channel()

    assert [] == hear(end, [third, second])
    assert ["a", "b", "c"] == hear(end, [first])


def test_a_repeated_frame_is_handed_out_once_whether_early_or_late() -> None:
    first, second = say(channel(), "a", "b")
    end = channel()

    assert ["a", "b"] == hear(end, [second, second, first, first, second])


def test_a_frame_too_far_ahead_breaks_the_channel_for_good() -> None:
    words = say(channel(), *"abcdefghij")
    end = channel(early_max=8)
    told = hear(end, [words[8]])

    assert [] == told
    assert end.broken
    assert [] == hear(end, words)


def test_the_buffer_takes_all_that_its_bound_allows() -> None:
    words = say(channel(), *"abcdefgh")
    end = channel(early_max=8)

    assert list("abcdefgh") == hear(end, words[::-1])
    assert not end.broken


def test_what_is_not_confirmed_is_sent_again_after_its_ticks_and_then_ever_later() -> None:
    end = channel()
    say(end, "a", now=10)
    sent_at = [now for now in range(10, 60) if end.overdue(now)]

    assert [13, 19, 31, 43, 55] == sent_at


def test_what_is_confirmed_is_not_sent_again() -> None:
    end = channel()
    say(end, "a", "b", "c")
    end.confirm(2, 1)

    assert [3] == [frame.sequence for frame in end.overdue(100)]


def test_a_confirmation_starts_the_wait_anew() -> None:
    end = channel()
    say(end, "a", "b")
    end.overdue(3)
    end.confirm(1, 5)

    assert ([], [2]) == (end.overdue(7), [frame.sequence for frame in end.overdue(8)])


def test_only_so_many_frames_are_sent_again_at_once() -> None:
    end = channel()
    say(end, *("x" * (RESENT_MAX + 5)))

    assert RESENT_MAX == len(end.overdue(3))


def test_after_a_broken_connection_nothing_waits_for_its_ticks() -> None:
    end = channel()
    say(end, "a", now=10)
    end.hurry()

    assert [1] == [frame.sequence for frame in end.overdue(10)]


def test_a_frame_that_must_wait_for_a_sync_says_so_when_it_is_overdue() -> None:
    end = channel()
    end.frame(0, 1, True, Word, "a")

    assert [True] == [frame.after_sync for frame in end.overdue(3)]


def test_the_window_counts_frames_and_bytes() -> None:
    end = channel()
    say(end, "aaaa", "bbbb")

    assert end.has_room(3, 9)
    assert not end.has_room(2, 9)
    assert not end.has_room(3, 8)
    end.confirm(1, 0)
    assert end.has_room(2, 8)


def test_every_frame_confirms_what_came_the_other_way() -> None:
    end = channel()
    hear(end, say(channel(), "a", "b"))
    owed = end.owes
    answer = say(end, "c")[0]

    assert (2, 2, 0) == (owed, answer.received, end.owes)


def test_who_confirms_what_was_never_sent_breaks_the_channel() -> None:
    end = channel()
    say(end, "a")
    end.confirm(2, 0)

    assert end.broken


def test_any_loss_repetition_and_reordering_is_healed() -> None:
    """Two ends, a network that drops, repeats and shuffles: each hears exactly what the other said."""
    for seed in range(50):
        rng, now = Random(seed), 0
        ends = [channel(early_max=16), channel(early_max=16)]
        said: list[list[str]] = [[], []]
        heard: list[list[str]] = [[], []]
        wire: list[tuple[int, Word]] = []
        while any(len(words) < 40 for words in heard):
            now += 1
            assert now < 5_000, (seed, ends)
            for one, end in enumerate(ends):
                if len(said[one]) < 40 and end.has_room(16, 1_000):
                    said[one].append(f"{one}/{len(said[one])}")
                    wire.append((1 - one, say(end, said[one][-1], now=now)[0]))
                again = [frame.message for frame in end.overdue(now)]
                wire += [(1 - one, word) for word in again if isinstance(word, Word)]
                if rng.random() < 0.2:  # a ping, as engines have it: who has nothing to say confirms by it
                    ends[1 - one].confirm(end.received, now)
            rng.shuffle(wire)
            arriving, wire = wire[: len(wire) // 2], wire[len(wire) // 2 :]
            for to, word in arriving:
                if rng.random() < 0.3:
                    continue
                if rng.random() < 0.2:
                    wire.append((to, word))
                ends[to].confirm(word.received, now)
                heard[to] += hear(ends[to], [word])

        assert said == heard[::-1], seed
