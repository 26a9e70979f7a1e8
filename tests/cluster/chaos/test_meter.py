"""What clients saw: counted when it returns, in stretches of 100 ms."""

from quorate.cluster.chaos.meter import Meter
from quorate.cluster.chaos.record import Bucket
from quorate.cluster.verify.history import Outcome

MS = 1_000_000


def test_operations_are_counted_where_they_return_with_the_latencies_of_those_that_were_answered() -> None:
    meter = Meter()
    meter.add(10 * MS, 20 * MS, Outcome.OK, is_write=True)
    meter.add(50 * MS, 99 * MS, Outcome.OK, is_write=False)
    meter.add(90 * MS, 310 * MS, Outcome.UNKNOWN, is_write=True)
    meter.add(305 * MS, 311 * MS, Outcome.FAILED, is_write=True)

    assert (Bucket(0, 2, 0, 0, 49.0, 49.0, 49.0), Bucket(300, 0, 1, 1)) == meter.buckets()
    assert (4, 2, 1) == (len(meter), meter.acknowledged, meter.count(Outcome.UNKNOWN))
    assert [True, False, True, True] == [seen.is_write for seen in meter]


def test_acknowledgements_are_counted_within_stretches() -> None:
    meter = Meter()
    for at in range(10):
        meter.add(at * 10 * MS, at * 10 * MS + MS, Outcome.OK if at != 5 else Outcome.FAILED, is_write=True)

    assert 4 == meter.acknowledged_within([(0, 21), (45, 75), (200, 300)])
