"""Which tables seat a party, and why none do."""

import pytest

from examples.restaurant.combinations import Strategy, combinations, why_none
from examples.restaurant.layout import FloorPlan
from otel_auto_assign.reasons import classify
from tests.restaurant.support import floor

ANY = Strategy(require_adjacency=False, max_tables=3)


def labels(plan: FloorPlan, party: int, strategy: Strategy = ANY) -> list[str]:
    """Give the combinations as short texts."""
    return ["+".join(str(table.id) for table in one.tables) for one in combinations(plan, party, strategy)]


def test_one_table_before_two_and_the_smallest_first() -> None:
    """The best combination has the fewest tables, then the fewest empty chairs."""
    plan = floor((6, True), (4, True), (2, True), (2, True))

    assert labels(plan, 3) == ["2", "1", "3+4"]


def test_no_table_is_added_needlessly() -> None:
    """A combination that seats the party without one of its tables is none."""
    plan = floor((4, True), (2, True))

    assert labels(plan, 4) == ["1"]


def test_only_movable_tables_are_put_together() -> None:
    """A fixed table serves alone, never as a part."""
    plan = floor((4, False), (4, True), (4, True))

    assert labels(plan, 4) == ["1", "2", "3"]
    assert labels(plan, 8) == ["2+3"]


def test_adjacency_is_a_chain_not_a_clique() -> None:
    """Three tables in a row are connected although the outer two do not touch."""
    plan = floor((2, True), (2, True), (2, True), (2, True), touching=((1, 2), (2, 3)))

    assert labels(plan, 6, Strategy(require_adjacency=True, max_tables=3)) == ["1+2+3"]
    assert len(labels(plan, 6)) == 4


def test_max_tables_bounds_the_combination() -> None:
    """With two tables at most, a party for three finds nothing."""
    plan = floor((2, True), (2, True), (2, True))

    assert labels(plan, 6, Strategy(require_adjacency=False, max_tables=2)) == []


@pytest.mark.parametrize(
    ("plan", "party", "code"),
    [
        (floor(), 2, "hard.no_tables"),
        (floor((2, True), (2, True)), 9, "hard.global_capacity"),
        (floor(*[(2, True)] * 5), 9, "hard.max_tables"),
        (floor((4, False), (4, False)), 8, "hard.tables_not_movable"),
        (floor((4, True), (4, True)), 8, "hard.no_suitable_tables"),
    ],
)
def test_why_none_says_the_lasting_reason(plan: FloorPlan, party: int, code: str) -> None:
    """Each way to find nothing has its text, and the text its hard code."""
    strategy = Strategy(require_adjacency=True, max_tables=3)

    assert combinations(plan, party, strategy) == []
    assert classify(why_none(plan, party, strategy)) == code
