"""What the environment says of the way from spans to rows: before a deploy, as findings.

The application's code cannot be seen from here: what it wires by hand is not judged.
"""

from __future__ import annotations

import dataclasses
import logging
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.environment_variables import OTEL_TRACES_EXPORTER
from opentelemetry.sdk.environment_variables import (
    OTEL_ATTRIBUTE_COUNT_LIMIT,
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_SDK_DISABLED,
    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT,
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    OTEL_TRACES_SAMPLER,
    OTEL_TRACES_SAMPLER_ARG,
)
from psycopg import pq

from observability_events.findings import Finding, Verdict
from observability_events.processor import ATTRIBUTES_NEEDED, LENGTH_NEEDED
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXPORTER: Final = "observability_events"
SAMPLER: Final = "auto_assign"
ENV_CONFIG: Final = "OTEL_AUTO_ASSIGN_CONFIG"
_OURS: Final = ("OTEL_EXPORTER_OBSERVABILITY_EVENTS_", "OTEL_AUTO_ASSIGN_")
_OF_A_FILE: Final = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")
_EXPORTERS: Final = "opentelemetry_traces_exporter"
_SAMPLERS: Final = "opentelemetry_traces_sampler"
_WHOLE: Final = ("", "always_on", "parentbased_always_on")
_THINNED: Final = ("traceidratio", "parentbased_traceidratio")
_NOTHING: Final = ("always_off", "parentbased_always_off")
_PACKAGES: Final = (
    "otel-auto-assign", "opentelemetry-api", "opentelemetry-sdk", "opentelemetry-instrumentation", "psycopg",
)  # fmt: skip
_PINNED: Final = ("opentelemetry-api", "opentelemetry-sdk")
_LIBPQ_THAT_CANCELS: Final = 170_000
_PROCESSOR: Final = "add ObservabilityEventsProcessor to the tracer provider"


def read_settings(environ: Mapping[str, str], **given: Any) -> tuple[Settings, list[Finding]]:
    """Read the settings from ``environ``, ``given`` before it, and say what was not understood.

    Raises:
        ValueError: if one of ``given`` is not usable.
    """
    log, complaints = logging.getLogger(Settings.__module__), _Kept()
    log.addHandler(complaints)
    propagate, log.propagate = log.propagate, False
    try:
        settings = Settings.from_environment(environ, **given)
    finally:
        log.propagate = propagate
        log.removeHandler(complaints)
    known = {name for spec in dataclasses.fields(settings) for name in spec.metadata["env"]} | {ENV_CONFIG}
    unknown = sorted(name for name in environ if name.startswith(_OURS) and name not in known)
    findings = [Finding("settings", Verdict.WARNING, text, "mend the variable") for text in complaints.texts]
    if unknown:
        remedy = "see `otel-auto-assign settings` for those there are"
        findings.append(Finding("settings", Verdict.WARNING, f"nobody reads {', '.join(unknown)}", remedy))
    return settings, findings or [Finding("settings", Verdict.OK, "every variable of ours is understood")]


def about_surroundings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Say how spans come to us, how many of them, and with what they are made."""
    yield from _way(settings, environ)
    yield from _sampling(environ)
    yield from _limits(environ)
    yield from _packages()


def _way(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    subject = "processor"
    if environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true":
        yield Finding(subject, Verdict.WRONG, f"{OTEL_SDK_DISABLED} is set: there are no spans", "unset it")
    if not settings.enabled:
        remedy = "set OTEL_AUTO_ASSIGN_ENABLED=true, or call enable()"
        yield Finding(subject, Verdict.WARNING, "the instrumentation is turned off at the start", remedy)
    if settings.console:
        remedy = "unset OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE"
        yield Finding(subject, Verdict.WRONG, "rows are printed, not written", remedy)
    file = next((name for name in _OF_A_FILE if environ.get(name, "").strip()), None)
    if file is not None:
        yield Finding(subject, Verdict.OK, f"{file} decides what becomes of spans; it is not read here")
        return
    wired = EXPORTER in _exporters(environ)
    if wired and not entry_points(group=_EXPORTERS, name=EXPORTER):
        evidence = f"{OTEL_TRACES_EXPORTER} names {EXPORTER}, which is not installed beside this command"
        yield Finding(subject, Verdict.WRONG, evidence, "pip install 'otel-auto-assign[postgres]'")
    elif wired:
        evidence = f"the exporter is wired by {OTEL_TRACES_EXPORTER}: rows of sampled spans, a job's first at its end"
        yield Finding(subject, Verdict.OK, evidence)
    elif environ.get(ENV_CONFIG, "").strip():
        evidence = f"opentelemetry-instrument wires it, and traces the targets of {environ[ENV_CONFIG].strip()}"
        yield Finding(subject, Verdict.OK, evidence)
    else:
        evidence = "not wired by the environment: the application's code has to add ObservabilityEventsProcessor"
        yield Finding(subject, Verdict.OK, evidence)


def _sampling(environ: Mapping[str, str]) -> Iterator[Finding]:
    subject = "sampler"
    name, argument = (environ.get(variable, "").strip() for variable in (OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG))
    alone = EXPORTER in _exporters(environ)
    shown = f"{OTEL_TRACES_SAMPLER}={name}" + (f" with {argument}" if argument else "")
    ours = f"set {OTEL_TRACES_SAMPLER}={SAMPLER}, {OTEL_TRACES_SAMPLER_ARG} to the share of traces, and {_PROCESSOR}"
    if name.lower() in _WHOLE:
        evidence = "every trace is sampled, but for those that a caller decided against: their rows will be missing"
        if name.lower() == "always_on":
            evidence = "every span is sampled"
        yield Finding(subject, Verdict.OK, evidence)
    elif name.lower() in _NOTHING:
        yield Finding(subject, Verdict.WRONG, f"{shown}: nothing is sampled, and there will be no rows", ours)
    elif name.lower() in _THINNED:
        ratio = _ratio(argument)
        verdict = Verdict.OK if ratio == 1 else Verdict.WARNING
        evidence = f"{shown}: " + ("every trace" if ratio == 1 else "rows of the other traces will be missing")
        yield Finding(subject, verdict, evidence, "" if verdict is Verdict.OK else ours)
    elif name != SAMPLER:
        evidence = f"{shown} is not known here: whether it records all of our spans cannot be told"
        if not entry_points(group=_SAMPLERS, name=name):
            evidence = f"{shown} is not installed: the SDK takes its default"
        yield Finding(subject, Verdict.WARNING, evidence, ours)
    elif alone and _ratio(argument) < 1:
        evidence = f"{shown}, and {OTEL_TRACES_EXPORTER}={EXPORTER} sees sampled spans only: rows will be missing"
        yield Finding(subject, Verdict.WARNING, evidence, f"{_PROCESSOR} in the place of the exporter")
    else:
        yield Finding(subject, Verdict.OK, f"{shown}: every span of ours is recorded, whatever share is exported")


def _limits(environ: Mapping[str, str]) -> Iterator[Finding]:
    for needed, variables in (
        (ATTRIBUTES_NEEDED, (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT)),
        (LENGTH_NEEDED, (OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT)),
    ):
        for variable in variables:
            given = environ.get(variable, "").strip()
            if given.isdecimal() and int(given) < needed:
                evidence = f"{variable}={given} cuts our spans short, and so their rows"
                yield Finding("span limits", Verdict.WARNING, evidence, f"set it to {needed} or more")


def _packages() -> Iterator[Finding]:
    subject = "packages"
    found = {name: _version(name) for name in _PACKAGES}
    shown = ", ".join(f"{name} {number}" for name, number in found.items())
    libpq = pq.version()
    if len({found[name] for name in _PINNED}) > 1:
        evidence = f"API and SDK of OpenTelemetry are of different versions ({shown})"
        yield Finding(subject, Verdict.WARNING, evidence, "install both of one version")
    elif libpq < _LIBPQ_THAT_CANCELS:
        evidence = f"libpq {libpq // 10_000} cannot end a statement on the server that was given up ({shown})"
        yield Finding(subject, Verdict.WARNING, evidence, "pip install 'psycopg[binary]>=3.2.3'")
    else:
        yield Finding(subject, Verdict.OK, f"{shown}, libpq {libpq // 10_000}")


def _exporters(environ: Mapping[str, str]) -> list[str]:
    return [name.strip() for name in environ.get(OTEL_TRACES_EXPORTER, "").split(",")]


def _ratio(text: str) -> float:
    """Give the share of traces, read as the SDK and our sampler do: what is no share is all of them."""
    try:
        ratio = float(text)
    except ValueError:
        return 1.0
    return ratio if 0 <= ratio <= 1 else 1.0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


class _Kept(logging.Handler):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
