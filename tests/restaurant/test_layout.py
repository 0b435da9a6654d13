"""Floor plans."""

import psycopg
import pytest

from examples.restaurant import layout, sandbox


def test_a_name_always_gives_the_same_floor() -> None:
    """A plan depends on nothing but the name, and names differ."""
    assert layout.design("Pub 1") == layout.design("Pub 1")
    assert layout.design("Pub 1") != layout.design("Pub 2")


@pytest.mark.parametrize("name", ["Pub 1", "Cafe 3", "Fine_dining 5"])
def test_neighbours_stand_in_one_zone(name: str) -> None:
    """Tables that touch share a zone, so that they can be put together."""
    plan = layout.design(name)
    zones = {table.id: table.zone for table in plan.tables}

    assert plan.adjacent
    assert all(zones[a] == zones[b] and a < b for a, b in plan.adjacent)


def test_a_saved_floor_is_loaded_as_it_was(dsn: str) -> None:
    """The database gives new ids and loses nothing else."""
    plan = layout.design("Pub 1")
    with psycopg.connect(dsn) as conn:
        conn.execute(sandbox.SCHEMA_SQL)
        layout.save(conn, "Somewhere else", layout.design("Cafe 3"))
        layout.save(conn, "Pub 1", plan)
        loaded = layout.load(conn, layout.restaurant_id("Pub 1"))

    label = {table.id: table.label for table in loaded.tables}
    pairs = {tuple(sorted((f"T{a:03}", f"T{b:03}"))) for a, b in plan.adjacent}
    assert [(t.label, t.capacity, t.movable, t.zone) for t in loaded.tables] == [
        (t.label, t.capacity, t.movable, t.zone) for t in plan.tables
    ]
    assert {tuple(sorted((label[a], label[b]))) for a, b in loaded.adjacent} == pairs
