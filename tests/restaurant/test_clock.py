"""The restaurant's clock."""

from datetime import timedelta

from tests.restaurant.support import MORNING, Time


def test_a_real_second_is_as_long_as_the_scale_says() -> None:
    """At a scale of 0.005, a second outside is two hundred in the restaurant."""
    time = Time()
    clock = time.clock(scale=0.005)

    time.seconds += 1

    assert clock.now() == MORNING + timedelta(seconds=200)


def test_sleeping_takes_its_scaled_time() -> None:
    """Who sleeps twenty seconds there waits a tenth of one here, and the clock agrees."""
    time = Time()
    clock = time.clock(scale=0.005)

    clock.sleep(timedelta(seconds=20))

    assert time.waits == [0.1]
    assert clock.now() == MORNING + timedelta(seconds=20)
