"""The contract's own tables, laid beside the code: neither may say what the other does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability_events.catalogue import CATALOGUE
from observability_events.conditions import SPAN_ROWS
from observability_events.facts import Facts
from observability_events.rows import Row, all_rows_of, row_id
from otel_auto_assign import reasons, semconv
from tests.exporters.spans import EVERY, Recipe, foreign

ROOT: Final = Path(__file__).parents[1]
COPY: Final = ROOT / "docs" / "CONTRACT.md"
ORIGINAL: Final = ROOT.parent / "shared" / "CONTRACT.md"

_TICKED = re.compile(r"`([^`]+)`(\?)?")
_NAME = re.compile(r"\.?[a-z0-9_]+(?:\.[a-z0-9_]+)*")


def section(number: int) -> str:
    """Give the text of one numbered section."""
    text = COPY.read_text(encoding="utf-8")
    begin = text.index(f"\n## {number}. ")
    end = text.find("\n## ", begin + 1)
    return text[begin : end if end > 0 else None]


def table(number: int, first_header: str) -> list[list[str]]:
    """Give the cells of the table of a section that begins with this header."""
    lines = section(number).split("\n")
    begin = next(at for at, line in enumerate(lines) if line.startswith(f"| {first_header} |"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def promised_keys(cell: str) -> dict[str, bool]:
    """Map the keys that a cell of §3 promises to whether they may be absent."""
    named = re.sub(r"\([^()]*\)", "", cell).split("**")[0]  # values and remarks stand in parentheses or come after
    return {
        key.partition(":")[0]: optional == "?" for key, optional in _TICKED.findall(named) if not key.startswith("{")
    }


PROMISED: Final = {cells[0].strip("`"): (cells[1], promised_keys(cells[2])) for cells in table(3, "event_type")}
ATTRIBUTES: Final = sorted(
    value
    for name, value in vars(semconv).items()
    if isinstance(value, str)
    and value.startswith("auto_assign.")
    and name != "OWN_PREFIX"
    and not name.startswith(("SPAN_", "EVENT_", "METRIC_"))
)
NOTHING_KNOWN: Final = Facts(foreign("", None))

ON_EVERY_ROW: Final = {
    "trace_id": "s", "span_id": "s", "service": "s", "environment": "s", "flags": "o", "featureFlags": "o",
}  # fmt: skip
IN_SOME_FLOW: Final = {"job_id", "attemptId", "late", "booking_ref", "restaurant_ref"}
TYPES: Final = {
    **ON_EVERY_ROW,
    "status": "sz", "trigger": "s", "planner_duration_ms": "n", "durationMs": "n", "success": "b", "reason": "sz",
    "reasonCode": "s", "reasonCategory": "sz", "strategy": "o", "attempt_index": "nz", "attemptIndex": "nz",
    "cache_hit": "b", "flow": "s", "planner_error": "s", "planner_internal": "oz", "planner_success": "b",
    "planner_reason": "sz", "planner_reason_code": "s", "planner_reason_category": "sz", "planner_strategy": "o",
    "alternates": "nz", "planner_calls": "n", "error": "s", "cache_status": "sz", "inline_attempt_id": "sz",
    "previousMaxAttempts": "nz", "nextMaxAttempts": "nz", "adjustedRequireAdjacency": "bz", "adjustedMaxTables": "nz",
    "maxAttempts": "nz", "cutoffMinutes": "nz", "inline_reason": "sz", "attempts": "n", "hardStopReason": "sz",
    "stage": "s", "thresholdMs": "n", "attemptsUsed": "n", "result": "s", "totalDurationMs": "n",
    "skippedInitialAttempt": "b", "inlineSkipReason": "sz", "inline_trigger": "sz", "hasHold": "b", "attemptId": "s",
    "holdId": "sz", "idempotencyKey": "sz", "quoteDurationMs": "nz", "confirmDurationMs": "nz", "timeoutMs": "nz",
    "elapsedMs": "n", "job_id": "s", "late": "b", "booking_ref": "s", "restaurant_ref": "s",
}  # fmt: skip
"""The JSON types of each key's values: n number, b boolean, s text, o object, z null."""
NEVER_NULL: Final = {
    (semconv.EVENT_INLINE_TIMEOUT, "timeoutMs"),
    *((event, "attempt_index") for event in CATALOGUE if event != semconv.EVENT_QUOTE),
}


def letter(value: object) -> str:
    """Name the JSON type of a value."""
    if value is None:
        return "z"
    kinds = {bool: "b", int: "n", float: "n", str: "s", dict: "o"}
    return kinds[type(value)]


def assert_typed(found: dict[str, Any], kinds: dict[str, str]) -> None:
    """Check that an object has these keys, with values of these types."""
    assert list(found) == list(kinds)
    assert all(letter(value) in kinds[key] for key, value in found.items())


def assert_keeps_the_promise(row: Row) -> None:
    """Check one row's columns, keys and types against the contract."""
    severity, keys = PROMISED[row.event_type]
    assert row.severity in severity.replace(",", "").split()
    assert row.source in {semconv.SOURCE_JOB, semconv.SOURCE_INLINE}
    required = {key for key, optional in keys.items() if not optional} | set(ON_EVERY_ROW)
    assert required <= set(row.context)
    assert set(row.context) <= required | set(keys) | IN_SOME_FLOW
    for key, value in row.context.items():
        allowed = TYPES[key].replace("z", "") if (row.event_type, key) in NEVER_NULL else TYPES[key]
        assert letter(value) in allowed, f"{row.event_type}: {key} is {value!r}"
    for key in {"strategy", "planner_strategy"} & set(row.context):
        assert_typed(row.context[key], {"requireAdjacency": "bz", "maxTables": "nz"})
    assert_typed(row.context["flags"], {"retry_policy_v2": "b", "planner_cache": "b", "source": "s"})
    assert row.context["flags"] == row.context["featureFlags"]
    assert json.loads(orjson.dumps(row.context)) == row.context


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original of the contract is not here")
def test_the_copy_is_the_contract() -> None:
    """What is committed is what was agreed, to the letter."""
    assert ORIGINAL.read_text(encoding="utf-8") == COPY.read_text(encoding="utf-8")


def test_the_catalogue_has_the_contracts_event_types() -> None:
    """The same event types, in the same order."""
    assert list(PROMISED) == list(CATALOGUE)
    assert len(PROMISED) == 23


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_the_catalogue_has_the_contracts_keys(event_type: str) -> None:
    """Every key that the contract names, and no other; those with a question mark may be absent."""
    event = CATALOGUE[event_type]
    assert PROMISED[event_type][1] == {key: key in event.optional for key in event.context(NOTHING_KNOWN)}


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_the_catalogue_has_the_contracts_severity_and_source(event_type: str) -> None:
    """One severity and source for each event type, but for the quote, of which every flow has one."""
    event = CATALOGUE[event_type]
    severity = "info, warning when it raised" if event.severity is None else event.severity
    assert PROMISED[event_type][0] == severity
    source = semconv.SOURCE_INLINE if event_type.startswith("inline_auto_assign.") else semconv.SOURCE_JOB
    assert event.source == (None if event_type == semconv.EVENT_QUOTE else source)


def test_spans_give_the_contracts_rows() -> None:
    """For every span of §4 the event types that it names."""
    short = {name.split(".")[-1] for name in CATALOGUE}
    promised: dict[str, set[str]] = {}
    for span, rows in table(4, "span"):
        name = span.partition(",")[0]
        promised.setdefault(name, set()).update(word for word, _ in _TICKED.findall(rows) if word in short)
    promised["job"].remove(semconv.EVENT_STARTED.split(".")[-1])  # made from the start, not from the ended span
    assert promised["inline"] == set()
    promised["inline"] = set(semconv.INLINE_OUTCOMES)  # "its one terminal"

    given = {span.split(".")[-1]: {event.split(".")[-1] for event, _ in rules} for span, rules in SPAN_ROWS.items()}
    assert promised == given


def test_semconv_has_the_contracts_attributes() -> None:
    """Every attribute of §4 has its constant, and every constant stands in §4."""
    promised = set()
    for names, _, value in table(4, "attributes"):
        last = ""
        found = _TICKED.findall(names) + [pair for pair in _TICKED.findall(value) if "." in pair[0]]
        for name, _ in found:
            if _NAME.fullmatch(name):
                last = last.rpartition(".")[0] + name if name.startswith(".") else name
                promised.add(last if last == semconv.ERROR_TYPE else f"auto_assign.{last}")
    assert promised == {*ATTRIBUTES, semconv.ERROR_TYPE}


def test_reasons_have_the_contracts_codes() -> None:
    """Every code of §5 can come out of a classification, and no other."""
    promised = {code for cells in table(5, "code") for code, _ in _TICKED.findall(cells[0])}
    assert promised == reasons.CODES - {semconv.CODE_UNKNOWN}
    assert {"`success`", "`unknown`"} <= set(re.findall(r"`\w+`", section(5)))


def test_results_are_the_contracts_words() -> None:
    """The results of a summary are those that §3 names."""
    cell = next(cells[2] for cells in table(3, "event_type") if cells[0] == f"`{semconv.EVENT_SUMMARY}`")
    assert {word for word, _ in _TICKED.findall(cell.rpartition("`result`: ")[2])} == semconv.RESULTS


@pytest.mark.parametrize(("event_type", "recipe"), EVERY.items(), ids=EVERY)
def test_a_span_gives_a_row_as_promised(event_type: str, recipe: Recipe) -> None:
    """For every event type: a span made by the SDK gives one such row, with exactly the promised keys and types."""
    rows = all_rows_of(recipe.span())
    assert [row.event_type for row in rows].count(event_type) == 1
    for row in rows:
        assert_keeps_the_promise(row)


def test_every_event_type_is_tried() -> None:
    """No event type of the contract is left out of the test above."""
    assert set(EVERY) == set(PROMISED)


WORDS: Final = sorted(
    semconv.RESULTS | semconv.INLINE_OUTCOMES | reasons.CODES | {"job", "inline", "direct", "success"}
)
TEXTS: Final = [*WORDS, "ann@example.org", "x" * 600, '{"a": NaN}', "[" * 9999, '{"mail": "ann@example.org"}']
odd: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.datetimes() | st.binary(max_size=5)
    | st.text(st.characters(), max_size=20) | st.sampled_from(TEXTS) | st.uuids() | st.uuids().map(str)
    | st.lists(st.integers(), max_size=2)
)  # fmt: skip
moments = st.none() | st.integers() | st.integers(1_700_000_000_000_000_000, 1_800_000_000_000_000_000) | st.text()


@given(
    name=st.sampled_from(sorted(semconv.SPANS)),
    attributes=st.dictionaries(st.sampled_from([*ATTRIBUTES, semconv.ERROR_TYPE]), odd, max_size=len(ATTRIBUTES)),
    start_time=moments,
    end_time=moments,
)
def test_no_attribute_breaks_the_promise(name: str, attributes: dict[str, Any], start_time: Any, end_time: Any) -> None:
    """Whatever another SDK puts on a span: the rows keep keys and types, and the database and JSON can hold them."""
    for row in all_rows_of(foreign(name, attributes, start_time=start_time, end_time=end_time)):
        assert_keeps_the_promise(row)
        text = orjson.dumps(row.context).decode()
        assert "\\u0000" not in text
        assert "ann@example.org" not in text
        assert all(
            value >= 0 for key, value in row.context.items() if key.endswith(("Ms", "_ms")) and value is not None
        )
        if row.event_type in {semconv.EVENT_QUOTE, semconv.EVENT_ATTEMPT}:
            assert row.context["success"] == (row.context["reasonCode"] == semconv.CODE_SUCCESS)
        if "reasonCode" in row.context:
            assert reasons.is_code(row.context["reasonCode"])
        if row.event_type == semconv.EVENT_QUOTE:
            assert row.context["reasonCategory"] == reasons.category(row.context["reasonCode"])
            assert (row.severity == "warning") == bool(row.context.get("planner_error"))
        assert row.id.version == 8


traces = st.integers(1, 2**128 - 1)
spans = st.integers(1, 2**64 - 1)
times = st.integers(0, 2**63 - 1)
events = st.sampled_from(sorted(CATALOGUE))


@given(event=events, trace=traces, span=spans, time=times)
def test_a_row_id_is_made_of_what_happened(event: str, trace: int, span: int, time: int) -> None:
    """The same again is the same id: version 8, RFC 9562's variant, and the millisecond in front."""
    found = row_id(event, trace, span, time)
    assert found == row_id(event, trace, span, time)
    assert (found.version, found.variant) == (8, "specified in RFC 4122")
    assert found.int >> 80 == time // 1_000_000


@given(trace=traces, span=spans, time=times)
def test_row_ids_differ_by_event_type(trace: int, span: int, time: int) -> None:
    """The rows of one span never share an id."""
    assert len({row_id(event, trace, span, time) for event in CATALOGUE}) == len(CATALOGUE)


@given(event=events, first=st.tuples(traces, spans), second=st.tuples(traces, spans), time=times)
def test_row_ids_differ_by_span(event: str, first: tuple[int, int], second: tuple[int, int], time: int) -> None:
    """Two spans never share an id, though they end in the same millisecond."""
    assert (row_id(event, *first, time) == row_id(event, *second, time)) == (first == second)


@given(event=events, trace=traces, span=spans, times=st.tuples(times, times))
def test_row_ids_are_ordered_by_time(event: str, trace: int, span: int, times: tuple[int, int]) -> None:
    """A later millisecond is a greater id, so that the index grows at its end."""
    early, late = sorted(times)
    if early // 1_000_000 < late // 1_000_000:
        assert row_id(event, trace, span, early) < row_id(event, trace, span, late)
