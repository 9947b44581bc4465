"""The search for the highest rate."""

import pytest

from benchmarks.measurements.delivery import Delivery, highest


def delivery_at(per_second: float, *, capacity: float) -> Delivery:
    late = per_second > capacity
    known = {
        "per_second": per_second,
        "deliveries_per_second": per_second,
        "p99_ms": 2000.0 if late else 5.0,
    }
    return Delivery(**{**dict.fromkeys(Delivery._fields, 0), **known})


@pytest.mark.parametrize("start", [10, 100, 900, 20_000])
def test_it_ends_close_below_what_the_site_can(start):
    best = highest(lambda rate: delivery_at(rate, capacity=1000), start, say=lambda tried: None)

    assert 800 < best.per_second <= 1000


def test_it_gives_up_on_a_site_that_can_nothing():
    assert highest(lambda rate: delivery_at(rate, capacity=0), 50, say=lambda tried: None) is None


def test_a_publisher_that_is_held_up_shows_what_the_site_can():
    """It is answered no faster than events are delivered: late they are not, but fewer."""

    def attempt(per_second: float) -> Delivery:
        return delivery_at(per_second, capacity=10_000)._replace(
            deliveries_per_second=min(per_second, 700.0), publisher_behind=per_second > 700
        )

    best = highest(attempt, 100, say=lambda tried: None)

    assert best.deliveries_per_second == 700
