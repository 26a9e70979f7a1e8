"""The only place that reads time, and how a bad clock looks."""

from quorate.cluster.runtime.clock import BootClock, ManualClock, SkewedClock


def test_the_real_clock_never_goes_back() -> None:
    clock = BootClock()
    times = [clock.now_ms() for _ in range(100)]

    assert sorted(times) == times
    assert times[0] > 0


def test_a_clock_without_faults_is_the_one_below_it() -> None:
    manual = ManualClock(5_000)
    clock = SkewedClock(manual)
    manual.advance(250)

    assert 5_250 == clock.now_ms()


def test_a_clock_jumps_both_ways() -> None:
    manual = ManualClock(5_000)
    clock = SkewedClock(manual)
    clock.jump(1_000)
    manual.advance(10)

    assert 6_010 == clock.now_ms()

    clock.jump(-3_000)

    assert 3_010 == clock.now_ms()


def test_a_clock_drifts_from_now_on_and_keeps_the_time_so_far() -> None:
    manual = ManualClock()
    clock = SkewedClock(manual)
    manual.advance(1_000)
    clock.drift(100_000)
    manual.advance(1_000)

    assert 2_100 == clock.now_ms()

    clock.drift(-500_000)
    manual.advance(1_000)

    assert 2_600 == clock.now_ms()

    clock.drift(0)
    manual.advance(1_000)

    assert 3_600 == clock.now_ms()


def test_a_jump_and_a_drift_add_up() -> None:
    manual = ManualClock()
    clock = SkewedClock(manual)
    clock.drift(1_000_000)
    manual.advance(100)
    clock.jump(7)
    manual.advance(100)

    assert 407 == clock.now_ms()


def test_clocks_stand_on_each_other() -> None:
    manual = ManualClock()
    twice = SkewedClock(SkewedClock(manual))
    twice.jump(5)
    manual.advance(1)

    assert 6 == twice.now_ms()
