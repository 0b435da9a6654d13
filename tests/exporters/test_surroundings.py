"""What the environment says of the way to the table: each variable that decides, and what is said of it."""

from __future__ import annotations

import logging

import pytest

from observability_events.findings import Finding, Verdict
from observability_events.surroundings import about_surroundings, read_settings
from otel_auto_assign.settings import Settings

EXPORTER = {"OTEL_TRACES_EXPORTER": "otlp, observability_events"}


def found(subject: str, environ: dict[str, str], settings: Settings | None = None) -> Finding:
    """Give the worst finding about ``subject``."""
    findings = list(about_surroundings(settings or Settings(), environ))
    return max((one for one in findings if one.subject == subject), key=lambda one: list(Verdict).index(one.verdict))


WAYS: dict[str, tuple[dict[str, str], Verdict, str]] = {
    "nothing": ({}, Verdict.OK, "the application's code has to add ObservabilityEventsProcessor"),
    "exporter": (EXPORTER, Verdict.OK, "the exporter is wired by OTEL_TRACES_EXPORTER: rows of sampled spans"),
    "zero code": ({"OTEL_AUTO_ASSIGN_CONFIG": "targets.toml"}, Verdict.OK, "traces the targets of targets.toml"),
    "file": ({"OTEL_CONFIG_FILE": "otel.yaml", **EXPORTER}, Verdict.OK, "OTEL_CONFIG_FILE decides"),
    "no SDK": ({"OTEL_SDK_DISABLED": "True"}, Verdict.WRONG, "there are no spans"),
}


@pytest.mark.parametrize(("environ", "verdict", "said"), WAYS.values(), ids=WAYS)
def test_the_way_from_spans_to_rows(environ: dict[str, str], verdict: Verdict, said: str) -> None:
    """Which door the environment opens, if any; the code's own cannot be seen."""
    finding = found("processor", environ)
    assert (finding.verdict, said in finding.evidence) == (verdict, True), finding


@pytest.mark.parametrize(
    ("settings", "verdict", "said"),
    [
        (Settings(console=True), Verdict.WRONG, "rows are printed, not written"),
        (Settings(enabled=False), Verdict.WARNING, "turned off at the start"),
    ],
)
def test_settings_that_write_nothing(settings: Settings, verdict: Verdict, said: str) -> None:
    """Both are fine while one develops, and not when one deploys."""
    finding = found("processor", {}, settings)
    assert (finding.verdict, said in finding.evidence) == (verdict, True), finding
    assert finding.remedy


SAMPLERS: dict[str, tuple[dict[str, str], Verdict, str]] = {
    "default": ({}, Verdict.OK, "but for those that a caller decided against"),
    "always_on": ({"OTEL_TRACES_SAMPLER": "Always_On"}, Verdict.OK, "every span is sampled"),
    "always_off": ({"OTEL_TRACES_SAMPLER": "always_off"}, Verdict.WRONG, "there will be no rows"),
    "a share": (
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        Verdict.WARNING,
        "with 0.1: rows of the other traces will be missing",
    ),
    "all of them": (
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.0"},
        Verdict.OK,
        "every trace",
    ),
    "no share": ({"OTEL_TRACES_SAMPLER": "traceidratio"}, Verdict.OK, "every trace"),
    "ours": (
        {"OTEL_TRACES_SAMPLER": "auto_assign", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        Verdict.OK,
        "every span of ours is recorded",
    ),
    "ours before the exporter": (
        {"OTEL_TRACES_SAMPLER": "auto_assign", "OTEL_TRACES_SAMPLER_ARG": "0.1", **EXPORTER},
        Verdict.WARNING,
        "sees sampled spans only: rows will be missing",
    ),
    "ours, all, before the exporter": (
        {"OTEL_TRACES_SAMPLER": "auto_assign", **EXPORTER},
        Verdict.OK,
        "every span of ours is recorded",
    ),
    "not installed": ({"OTEL_TRACES_SAMPLER": "autoassign"}, Verdict.WARNING, "the SDK takes its default"),
}


@pytest.mark.parametrize(("environ", "verdict", "said"), SAMPLERS.values(), ids=SAMPLERS)
def test_what_a_sampler_leaves_out(environ: dict[str, str], verdict: Verdict, said: str) -> None:
    """A sampler that thins traces thins rows, but for ours with the processor."""
    finding = found("sampler", environ)
    assert (finding.verdict, said in finding.evidence) == (verdict, True), finding
    assert bool(finding.remedy) == (verdict is not Verdict.OK)


@pytest.mark.parametrize("variable", ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
def test_limits_that_cut_our_spans(variable: str) -> None:
    """Both kinds are named with what is needed; enough is enough."""
    assert found("span limits", {variable: "20"}).verdict is Verdict.WARNING
    assert not [one for one in about_surroundings(Settings(), {variable: "1000"}) if one.subject == "span limits"]


def test_the_packages_are_named() -> None:
    """With their versions, the library of the database included."""
    finding = found("packages", {})
    assert finding.verdict is Verdict.OK
    assert "opentelemetry-sdk 1." in finding.evidence
    assert "libpq 1" in finding.evidence


def test_variables_that_are_not_understood(caplog: pytest.LogCaptureFixture) -> None:
    """A bad value and a name that nobody reads are findings, in the place of lines in the log; the rest is in force."""
    settings, findings = read_settings(
        {
            "OTEL_EXPORTER_OBSERVABILITY_EVENTS_BATCH_SIZE": "many",
            "OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABEL": "events",
            "OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE": "events",
            "OTEL_AUTO_ASSIGN_CONFIG": "targets.toml",
        },
        dsn="dbname=bookings",
    )
    assert (settings.table, settings.dsn, settings.batch_size) == ("events", "dbname=bookings", 500)
    assert [finding.verdict for finding in findings] == [Verdict.WARNING, Verdict.WARNING]
    assert "BATCH_SIZE: 'many' is not usable" in findings[0].evidence
    assert findings[1].evidence == "nobody reads OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABEL"
    assert caplog.text == ""
    assert logging.getLogger("otel_auto_assign.settings").handlers == []
    assert [finding.verdict for finding in read_settings({})[1]] == [Verdict.OK]
