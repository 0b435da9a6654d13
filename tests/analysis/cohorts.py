"""Samples for the tests of the statistics, by hand, at random and by hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from otel_auto_assign.analysis.samples import Sample


def plain(values: list[float], *, per_unit: int = 1, limit: float | None = None, beyond: int = 0) -> Sample:
    """A booking each, ``per_unit`` of them in a unit of assignment; the last ``beyond`` never came to an end."""
    rows = len(values)
    return Sample.of(
        values,
        bookings=range(rows),
        units=[row // per_unit for row in range(rows)],
        beyond=[row >= rows - beyond for row in range(rows)],
        limit=limit,
    )


def lognormal(seed: int, *, units: int = 14, per_unit: int = 10, scale: float = 1.0, day_sd: float = 0.25) -> Sample:
    """Durations that differ by day: a unit of assignment each, two restaurants by turns."""
    random = np.random.default_rng(seed)
    rows = units * per_unit
    unit = np.repeat(np.arange(units), per_unit)
    values = scale * 1000 * np.exp(random.normal(0, 0.6, rows) + random.normal(0, day_sd, units)[unit])
    return Sample.of(values, bookings=np.arange(rows), units=unit, restaurants=unit % 2)


@st.composite
def samples(draw: st.DrawFn, *, high: float = 1e6) -> Sample:
    """Enough bookings and units to be judged: clustered, tied, heavy-tailed and censored in every way."""
    rows, seed = draw(st.integers(20, 60)), draw(st.integers(0, 2**32))
    random = np.random.default_rng(seed)
    tied = random.random(rows) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    values = np.where(tied, random.integers(1, 4, rows), np.exp(random.uniform(np.log(0.1), np.log(high), rows)))
    units = np.append(np.arange(7), random.integers(0, 12, rows - 7))
    return Sample.of(
        values,
        bookings=np.arange(rows),
        units=units,
        restaurants=units % 2,
        beyond=random.random(rows) < draw(st.sampled_from([0.0, 0.0, 0.1, 0.9])),
    )


def reordered(sample: Sample, seed: int) -> Sample:
    """The same rows in another order, their clusters numbered otherwise."""
    order = np.random.default_rng(seed).permutation(sample.rows)
    return Sample.of(
        sample.values[order],
        bookings=[f"b{code}" for code in sample.bookings[order]],
        units=[f"u{code}" for code in sample.units[order]],
        restaurants=[f"r{code}" for code in sample.restaurants[order]],
        beyond=sample.beyond[order],
        limit=sample.limit,
    )
