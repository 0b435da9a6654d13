"""Tests of otel_auto_assign.settings."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from otel_auto_assign.settings import Settings, parse_bool, settings_table

PREFIX = "OTEL_EXPORTER_OBSERVABILITY_EVENTS_"
DSN = "postgresql://ann:geheim@db.example/app"


@pytest.mark.parametrize("text", ["true", "1", " On ", "YES", "t", "y", "enabled"])
def test_parse_bool_true(text: str) -> None:
    """What people write for true is true."""
    assert parse_bool(text) is True


@pytest.mark.parametrize("text", ["false", "0", " Off ", "NO", "f", "n", "disabled"])
def test_parse_bool_false(text: str) -> None:
    """What people write for false is false."""
    assert parse_bool(text) is False


@pytest.mark.parametrize("text", ["", "2", "truth", "wahr", "none"])
def test_parse_bool_refuses_the_rest(text: str) -> None:
    """Anything else is no boolean."""
    with pytest.raises(ValueError, match="true or false"):
        parse_bool(text)


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing set, or set to nothing, is the default."""
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"OTEL_AUTO_ASSIGN_ENABLED": "", f"{PREFIX}BATCH_SIZE": "  "}) == Settings()


def test_every_setting_is_read_from_its_variable() -> None:
    """Each field has a variable of its own, whose value arrives as the field's type."""
    written = {bool: "off", int: "7", float: "2.5", str: "audit.events"}
    read: dict[type, Any] = {bool: False, int: 7, float: 2.5, str: "audit.events"}
    of_few_values = {"durability": "process", "sink_grpc": "off", "sink_http": "off", "sink_health": "off"}
    of_few_values |= {"sink_kafka_servers": "kafka:9093", "sink_kafka_encoding": "otlp_json"}
    of_few_values |= {"trace_url": "https://jaeger:16686/trace/{trace_id}"}
    for spec in dataclasses.fields(Settings):
        kind = type(spec.default)
        text, value = ("on", True) if spec.default is False else (written[kind], read[kind])
        if spec.name in of_few_values:
            text = value = of_few_values[spec.name]
        for variable in spec.metadata["env"]:
            settings = Settings.from_environment({variable: text})
            assert dataclasses.asdict(settings) == dataclasses.asdict(Settings()) | {spec.name: value}, variable


def test_a_spool_may_be_as_large_as_a_disk() -> None:
    """The bound of seconds is none of bytes."""
    assert Settings.from_environment({f"{PREFIX}SPOOL_BYTES": str(2**43)}).spool_bytes == 2**43
    assert Settings(spool_bytes=2**63 - 1).spool_bytes == 2**63 - 1


def test_the_first_variable_of_a_setting_comes_first() -> None:
    """The exporter's own DSN variable comes before the host's."""
    both = {"SUPABASE_DB_URL": "postgresql:///other", f"{PREFIX}DSN": DSN}
    assert Settings.from_environment(both).dsn == DSN
    assert Settings.from_environment(both | {f"{PREFIX}DSN": ""}).dsn == "postgresql:///other"


@pytest.mark.parametrize(
    ("variable", "text", "field"),
    [
        ("OTEL_AUTO_ASSIGN_ENABLED", "perhaps", "enabled"),
        (f"{PREFIX}BATCH_SIZE", "-3", "batch_size"),
        (f"{PREFIX}BATCH_SIZE", "0", "batch_size"),
        (f"{PREFIX}BATCH_SIZE", "2.5", "batch_size"),
        (f"{PREFIX}SCHEDULE_DELAY", "soon", "schedule_delay"),
        (f"{PREFIX}SCHEDULE_DELAY", "nan", "schedule_delay"),
        (f"{PREFIX}TIMEOUT", "inf", "statement_timeout"),
        (f"{PREFIX}TABLE", "events; DROP TABLE bookings", "table"),
        (f"{PREFIX}SPOOL_BYTES", "-1", "spool_bytes"),
        (f"{PREFIX}SPOOL_BYTES", "9223372036854775808", "spool_bytes"),
        ("OTEL_AUTO_ASSIGN_STAGE_THRESHOLD", "-0.1", "stage_threshold"),
    ],
)
def test_a_bad_value_in_the_environment_warns_and_falls_back(
    variable: str, text: str, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names the variable, the value and the default taken; the other settings stay."""
    with caplog.at_level(logging.WARNING):
        settings = Settings.from_environment({variable: text, "OTEL_AUTO_ASSIGN_INLINE_TIMEOUT": "3"})

    assert settings == dataclasses.replace(Settings(), inline_timeout=3.0)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for said in (variable, repr(text), repr(getattr(Settings(), field))):
        assert said in record.getMessage()


def test_a_bad_value_is_said_once_in_a_process() -> None:
    """Whatever reads it: the instrumentation at its import, the exporter that the environment asks for."""
    program = "import otel_auto_assign.decorators, observability_events as o; o.ObservabilityEventsExporter()"
    environ = os.environ | {f"{PREFIX}BATCH_SIZE": "many", f"{PREFIX}DSN": "host=/no/such/folder"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr.count(f"{PREFIX}BATCH_SIZE") == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("batch_size", -1, "batch_size=-1: must be above zero and at most 1000000000"),
        ("batch_size", 2.0, "batch_size=2.0: expected int, got float"),
        ("batch_size", True, "batch_size=True: expected int, got bool"),
        ("enabled", 1, "enabled=1: expected bool, got int"),
        ("schedule_delay", float("nan"), "schedule_delay=nan: must be above zero and at most 1000000000"),
        ("shutdown_timeout", -0.5, "shutdown_timeout=-0.5: must be zero or more and at most 1000000000"),
        ("statement_timeout", 1e300, "statement_timeout=1e+300: must be above zero and at most 1000000000"),
        ("spool_directory", "a\0b", "spool_directory='a\\x00b': must be a path"),
        ("spool_directory", "\ud800", "spool_directory='\\ud800': must be a path"),
        ("table", "a.b.c", "table='a.b.c': must be a table name"),
        ("table", "", "table='': must be a table name"),
        ("table", None, "table=None: expected str, got NoneType"),
    ],
)
def test_a_bad_value_in_code_raises(field: str, value: Any, said: str) -> None:
    """The constructor, and an override beside the environment, name field, value and what is expected."""
    with pytest.raises(ValueError, match=r"^setting ") as constructor:
        Settings(**{field: value})
    with pytest.raises(ValueError, match=r"^setting ") as override:
        Settings.from_environment({}, **{field: value})

    assert said in str(constructor.value)
    assert str(override.value) == str(constructor.value)


def test_an_unknown_setting_is_refused() -> None:
    """A misspelt field does not vanish."""
    with pytest.raises(TypeError, match="batchsize"):
        Settings.from_environment({}, batchsize=3)


def test_code_comes_before_the_environment() -> None:
    """An override beats the variable."""
    assert Settings.from_environment({f"{PREFIX}BATCH_SIZE": "9"}, batch_size=4).batch_size == 4


def test_whole_numbers_are_seconds_too() -> None:
    """A time-out of ``3`` is ``3.0``."""
    assert repr(Settings(inline_timeout=3).inline_timeout) == "3.0"


@pytest.mark.parametrize("name", ["events", "audit.events", '"Ereignisse"', '"my schema"."t"', "größe", "_t$1"])
def test_table_names(name: str) -> None:
    """Names with a schema and names in quotes are table names."""
    assert Settings(table=name).table == name


def test_the_dsn_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the representation nor an error nor a warning has the secret or its host in it."""
    shown = [repr(Settings(dsn=DSN)), str(Settings(dsn=DSN))]
    with pytest.raises(ValueError, match="dsn=…") as bad:
        Settings(dsn=DSN.encode())  # type: ignore[arg-type]  # the case
    shown.append(str(bad.value))
    with caplog.at_level(logging.WARNING):
        Settings.from_environment({f"{PREFIX}DSN": DSN, f"{PREFIX}BATCH_SIZE": "x"})
    shown += [record.getMessage() for record in caplog.records]

    assert len(shown) == 4
    assert [text for text in shown if "geheim" in text or "db.example" in text] == []


def test_settings_do_not_change() -> None:
    """A setting in force cannot be turned into another behind the checks."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().batch_size = 0  # type: ignore[misc]  # the case


def test_the_table_names_every_setting_and_variable() -> None:
    """One line a setting, with its variables, default, unit and meaning."""
    lines = settings_table().splitlines()[2:]
    specs = dataclasses.fields(Settings)

    assert [line.split("`")[1] for line in lines] == [spec.name for spec in specs]
    for line, spec in zip(lines, specs, strict=True):
        assert all(f"`{name}`" in line for name in spec.metadata["env"])
        assert spec.metadata["doc"] in line
    assert "| `enabled` | `OTEL_AUTO_ASSIGN_ENABLED` | `true` |" in lines[0]
