"""The settings of both packages: one frozen dataclass whose fields carry their environment variables.

``Settings(...)`` refuses a bad value with ``ValueError``; ``Settings.from_environment()`` warns about it and takes
the default instead, so that a typing mistake in a deployment's environment cannot stop the application. The table in
``docs/settings.md`` is made from the fields below.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_type_hints
from urllib.parse import urlsplit

from otel_auto_assign._guard import SafeLog

_log = SafeLog(__name__)

ENV_FLAG_RETRY_POLICY_V2: Final = "FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2"
ENV_FLAG_PLANNER_CACHE: Final = "PLANNER_CACHE_ENABLED"

IN_MEMORY: Final = "memory"
SURVIVES_PROCESS: Final = "process"
SURVIVES_POWER: Final = "power"
DURABILITIES: Final = (IN_MEMORY, SURVIVES_PROCESS, SURVIVES_POWER)
"""What ended spans survive before they are in the table, the weakest promise first."""

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on", "enabled"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off", "disabled"})
_TABLE = re.compile(r'(?:(?:"[^"%\x00]{1,63}"|[^\W\d][\w$]{0,62})\.)?(?:"[^"%\x00]{1,63}"|[^\W\d][\w$]{0,62})')


def parse_bool(text: str) -> bool:
    """Read a boolean as people write it in an environment: ``true``, ``1``, ``on`` … or ``false``, ``0``, ``off`` ….

    Raises:
        ValueError: for anything else.
    """
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("expected true or false")


MOST_SECONDS: Final = 1e9
"""No time-out is longer: thirty years, and far from where nanoseconds no longer fit 64 bits."""

MOST_BYTES: Final = 2**63 - 1
"""The bound is a metric, too, and a metric's integers have 64 bits: one more, and none of the host's is exported."""


def _positive(value: float) -> None:
    if not 0 < value <= MOST_SECONDS:
        raise ValueError(f"must be above zero and at most {MOST_SECONDS:.0f}")


def _not_negative(value: float) -> None:
    if not 0 <= value <= MOST_SECONDS:
        raise ValueError(f"must be zero or more and at most {MOST_SECONDS:.0f}")


def _bytes(value: int) -> None:
    if not 0 <= value <= MOST_BYTES:
        raise ValueError("must be zero or more, and fit 64 bits")


OFF: Final = "off"
_MOST_PORT: Final = 65_535


def address(value: str) -> tuple[str, int] | None:
    """Give host and port of an address such as ``127.0.0.1:4317`` or ``[::1]:4317``; None for ``off``.

    Raises:
        ValueError: for anything else.

    >>> address("[::1]:4317"), address("off")
    (('::1', 4317), None)
    """
    if value.strip().lower() == OFF:
        return None
    host, _, port = value.strip().rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    named = bare and (":" in bare) == (bare != host)  # an IPv6 address has brackets, and nothing else has
    if not named or not (port.isascii() and port.isdigit() and int(port) <= _MOST_PORT):
        raise ValueError("must be host and port such as 127.0.0.1:4317, or off")
    return bare, int(port)


def _address(value: str) -> None:
    address(value)


def _servers(value: str) -> None:
    for each in value.split(","):
        try:
            found = address(each)
        except ValueError:
            found = None
        if found is None:
            raise ValueError("must be host and port such as 127.0.0.1:9092, with commas between them")


OTLP_PROTO: Final = "otlp_proto"
OTLP_JSON: Final = "otlp_json"
ENCODINGS: Final = (OTLP_PROTO, OTLP_JSON)
"""Of spans in a message of Kafka."""
_TOPIC: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def _encoding(value: str) -> None:
    if value not in ENCODINGS:
        raise ValueError(f"must be one of {', '.join(ENCODINGS)}")


def _topic(value: str) -> None:
    if not _TOPIC.fullmatch(value) or value in {".", ".."}:
        raise ValueError("must be a topic of Kafka: up to 249 letters, digits, dots, _ and -")


def _topic_or_none(value: str) -> None:
    if value:
        _topic(value)


def _named(value: str) -> None:
    if not value.strip():
        raise ValueError("must not be empty")


TRACE_ID: Final = "{trace_id}"
"""What a trace's id takes the place of in the setting ``trace_url``."""
_NOT_IN_URLS: Final = frozenset('"<>`\\^|')


def _trace_url(value: str) -> None:
    """Refuse what is no address, or could be more than one where it is printed; empty is well: no links."""
    if not value:
        return
    try:
        parts = urlsplit(value)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    spoilt = any(not "!" <= one <= "~" or one in _NOT_IN_URLS for one in value)
    if spoilt or not whole or value.count(TRACE_ID) != 1:
        raise ValueError(
            f"must be an http or https URL with {TRACE_ID} once, such as http://localhost:16686/trace/{TRACE_ID}"
        )


def _path(value: str) -> None:
    try:
        if b"\0" not in os.fsencode(value):
            return
    except UnicodeEncodeError:
        pass
    raise ValueError("must be a path that the system can have: no NUL, no lone surrogate")


def _durability(value: str) -> None:
    if value not in DURABILITIES:
        raise ValueError(f"must be one of {', '.join(DURABILITIES)}")


def _table_name(value: str) -> None:
    if not _TABLE.fullmatch(value):
        raise ValueError("must be a table name such as observability_events or schema.observability_events")


def _setting(
    default: Any, *env: str, unit: str = "", doc: str, check: Callable[[Any], None] | None = None, secret: bool = False
) -> Any:
    """Declare a setting; the first of its environment variables that is set and not empty counts."""
    metadata = {"env": env, "unit": unit, "doc": doc, "check": check}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be set, with its default.

    Raises:
        ValueError: naming the field, the value and what is expected, if a value is of the wrong type or range.

    >>> Settings(batch_size=100).batch_size
    100
    """

    enabled: bool = _setting(
        True,
        "OTEL_AUTO_ASSIGN_ENABLED",
        doc="Kill switch at start. `enable()` and `disable()` turn it at run time.",
    )
    profiling: bool = _setting(
        False,
        "DEBUG_CAPACITY_PROFILING",
        doc="Every stage becomes a span, and quotes carry the planner's own statistics (`planner_internal`).",
    )
    exception_logs: bool = _setting(
        False,
        "OTEL_AUTO_ASSIGN_EXCEPTION_LOGS",
        doc="Exceptions that leave a traced call are also emitted as OpenTelemetry log records, with their stack trace "
        "(scrubbed). They are never span events.",
    )
    inline_timeout: float = _setting(
        12.0,
        "OTEL_AUTO_ASSIGN_INLINE_TIMEOUT",
        unit="s",
        doc="The time-out of inline runs whose `traced_inline` names none.",
        check=_positive,
    )
    stage_threshold: float = _setting(
        1.0,
        "OTEL_AUTO_ASSIGN_STAGE_THRESHOLD",
        unit="s",
        doc="A stage that takes longer is slow, unless its `traced_stage` names a threshold of its own.",
        check=_not_negative,
    )
    job_starts_trace: bool = _setting(
        False,
        "OTEL_AUTO_ASSIGN_JOB_STARTS_TRACE",
        doc="Each job begins a trace of its own, linked to what is current at its start and to the inline run before.",
    )
    dsn: str = _setting(
        "",
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN",
        "SUPABASE_DB_URL",
        doc="Where rows are written: a libpq connection string or URI. It is never logged.",
        secret=True,
    )
    console: bool = _setting(
        False,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE",
        doc="Rows are printed to the standard output as JSON lines, and not written. "
        "`OTEL_TRACES_EXPORTER=observability_events` does so without a DSN, too.",
    )
    log_events: bool = _setting(
        False,
        "OTEL_AUTO_ASSIGN_LOG_EVENTS",
        doc="`opentelemetry-instrument` emits the rows' twins, too: OpenTelemetry log events of the same names.",
    )
    table: str = _setting(
        "observability_events",
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE",
        doc="The table rows are written to, with its schema where the search path does not find it.",
        check=_table_name,
    )
    batch_size: int = _setting(
        500,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_BATCH_SIZE",
        unit="rows",
        doc="The most rows that one statement writes.",
        check=_positive,
    )
    schedule_delay: float = _setting(
        1.0,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SCHEDULE_DELAY",
        unit="s",
        doc="The longest that a row waits for its batch to fill.",
        check=_positive,
    )
    buffer_size: int = _setting(
        20_000,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_BUFFER_SIZE",
        unit="spans",
        doc="The most ended spans that wait in memory. While the database is away they move to disk; what comes beyond "
        "both is dropped and counted.",
        check=_positive,
    )
    durability: str = _setting(
        IN_MEMORY,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DURABILITY",
        doc="What an ended span survives before its rows are in the table. `memory`: the end of the process and a "
        "database that is away, for then rows go to disk, but not SIGKILL. `process`: SIGKILL, for each span is on "
        "disk before its end returns. `power`: the machine's failure, too, for the disk is synced, some milliseconds "
        "later.",
        check=_durability,
    )
    power_wait: bool = _setting(
        False,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_POWER_WAIT",
        doc="With `durability=power`, the end of a span waits until the disk is synced: up to some milliseconds each, "
        "and a second at most.",
    )
    spool_directory: str = _setting(
        "",
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY",
        doc="Where rows wait on disk; several processes may share it. Default: `otel-auto-assign` in "
        "`$XDG_STATE_HOME`, else in `~/.local/state`.",
        check=_path,
    )
    spool_bytes: int = _setting(
        256 * 1024 * 1024,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_BYTES",
        unit="bytes",
        doc="The most that may wait on disk for one database and table. When it is full the oldest is kept, and what "
        "is new waits in memory. 0: nothing is kept on disk.",
        check=_bytes,
    )
    spool_age: float = _setting(
        30 * 86_400.0,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_AGE",
        unit="s",
        doc="What has waited longer on disk is dropped and counted.",
        check=_positive,
    )
    catch_up_rate: float = _setting(
        2_000.0,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_CATCH_UP_RATE",
        unit="spans/s",
        doc="How fast what waited on disk is written, beside what is new, when the database is back.",
        check=_positive,
    )
    connect_timeout: float = _setting(
        5.0,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONNECT_TIMEOUT",
        unit="s",
        doc="The longest that one attempt to connect may take, for each address: a name with two, or a DSN with two "
        "hosts, may take twice as long. In whole seconds, two at least. No time-out ends a resolver's silence.",
        check=_positive,
    )
    statement_timeout: float = _setting(
        10.0,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_TIMEOUT",
        unit="s",
        doc="The longest that one statement may take before the client gives its connection up.",
        check=_positive,
    )
    shutdown_timeout: float = _setting(
        5.0,
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SHUTDOWN_TIMEOUT",
        unit="s",
        doc="The longest that the end of the process waits for rows to be written, however many processors and "
        "exporters it has: one that is shut down within a second after others have used the time up has 50 ms left.",
        check=_not_negative,
    )
    sink_grpc: str = _setting(
        "127.0.0.1:4317",
        "OTEL_AUTO_ASSIGN_SINK_GRPC",
        doc="Where `otel-auto-assign sink otlp` takes OTLP/gRPC: host and port, or `off`.",
        check=_address,
    )
    sink_http: str = _setting(
        "127.0.0.1:4318",
        "OTEL_AUTO_ASSIGN_SINK_HTTP",
        doc="Where it takes OTLP/HTTP, and answers `/healthz` and `/readyz`: host and port, or `off`.",
        check=_address,
    )
    sink_certificate: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_SINK_CERTIFICATE",
        doc="The file with the sink's certificate and those that lead to its root, in PEM: both doors take TLS alone.",
    )
    sink_key: str = _setting(
        "", "OTEL_AUTO_ASSIGN_SINK_KEY", doc="The file with the certificate's private key, in PEM."
    )
    sink_token: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_SINK_TOKEN",
        doc="What senders must give as `Authorization: Bearer …`. It is never logged.",
        secret=True,
    )
    sink_token_file: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_SINK_TOKEN_FILE",
        doc="The file that the token is read from at the start, if not the variable.",
    )
    sink_timeout: float = _setting(
        8.0,
        "OTEL_AUTO_ASSIGN_SINK_TIMEOUT",
        unit="s",
        doc="The longest that a sink keeps a sender waiting; a sooner deadline of the sender's own comes before it. "
        "Keep it below the senders' time-out: OpenTelemetry's SDKs have 10 s.",
        check=_positive,
    )
    sink_bytes: int = _setting(
        128 * 1024 * 1024,
        "OTEL_AUTO_ASSIGN_SINK_BYTES",
        unit="bytes",
        doc="The most that a sink has of messages in memory, unpacked; what comes beyond it is to be sent again later.",
        check=_positive,
    )
    sink_connections: int = _setting(
        2,
        "OTEL_AUTO_ASSIGN_SINK_CONNECTIONS",
        doc="The connections to the database by which a sink writes at the same time.",
        check=_positive,
    )
    sink_health: str = _setting(
        "127.0.0.1:13134",
        "OTEL_AUTO_ASSIGN_SINK_HEALTH",
        doc="Where `otel-auto-assign sink kafka` answers `/healthz` and `/readyz`: host and port, or `off`.",
        check=_address,
    )
    sink_kafka_servers: str = _setting(
        "127.0.0.1:9092",
        "OTEL_AUTO_ASSIGN_SINK_KAFKA_SERVERS",
        doc="The brokers that `otel-auto-assign sink kafka` asks first: host and port, with commas between them.",
        check=_servers,
    )
    sink_kafka_topic: str = _setting(
        "otlp_spans",
        "OTEL_AUTO_ASSIGN_SINK_KAFKA_TOPIC",
        doc="The topic that it reads spans from.",
        check=_topic,
    )
    sink_kafka_encoding: str = _setting(
        OTLP_PROTO,
        "OTEL_AUTO_ASSIGN_SINK_KAFKA_ENCODING",
        doc="How they are written there: `otlp_proto` or `otlp_json`, as the Collector calls it.",
        check=_encoding,
    )
    sink_kafka_group: str = _setting(
        "auto-assign-rows",
        "OTEL_AUTO_ASSIGN_SINK_KAFKA_GROUP",
        doc="The consumer group, which all sinks of one table share.",
        check=_named,
    )
    sink_kafka_instance: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_SINK_KAFKA_INSTANCE",
        doc="A name that this process alone has in the group, and has again after a restart (static membership): its "
        "partitions wait for it as long as `session.timeout.ms`, and nobody else moves.",
    )
    sink_kafka_dead_letters: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_SINK_KAFKA_DEAD_LETTERS",
        doc="The topic for messages that cannot be read. Default: the topic's name and `.dead-letters`.",
        check=_topic_or_none,
    )
    sink_kafka_properties: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_SINK_KAFKA_PROPERTIES",
        doc="A file with more of librdkafka's properties, `name=value` a line: TLS, SASL and the like. Its secrets are "
        "never logged.",
        check=_path,
    )
    reconcile_dsn: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_RECONCILE_DSN",
        doc="The database as `otel-auto-assign reconcile` reaches it, if not by `dsn`: its role needs SELECT, too.",
        secret=True,
    )
    trace_url: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_TRACE_URL",
        doc="Where a trace is shown, as `http://localhost:16686/trace/{trace_id}` of Jaeger: `report`, `doctor` and "
        "`compare` link what they name to it.",
        check=_trace_url,
    )
    email_event_type: str = _setting(
        "",
        "OTEL_AUTO_ASSIGN_EMAIL_EVENT_TYPE",
        doc="The event type of the application's own rows about e-mails sent, read for `inline_email_duplicates`.",
    )

    def __post_init__(self) -> None:
        """Check every field, so that a setting in force is a setting that makes sense."""
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            try:
                object.__setattr__(self, spec.name, _checked(value, _types()[spec.name], spec.metadata["check"]))
            except ValueError as error:
                shown = "…" if not spec.repr else repr(value)
                raise ValueError(f"setting {spec.name}={shown}: {error}") from None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None, /, **overrides: Any) -> Settings:
        """Read the settings from ``environ`` (default: the process's); ``overrides`` come before it.

        A variable that is empty counts as not set. A bad value is reported by a warning in the log that names the
        variable and the default taken, once in a process, however many of its parts read it; it raises nothing.
        A bad override raises ``ValueError``.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for spec in dataclasses.fields(cls):
            if spec.name in overrides:
                continue
            variable = next((name for name in spec.metadata["env"] if environ.get(name, "").strip()), None)
            if variable is None:
                continue
            try:
                value = _parsed(environ[variable], _types()[spec.name])
                values[spec.name] = _checked(value, _types()[spec.name], spec.metadata["check"])
            except ValueError as error:
                if (variable, environ[variable]) in _reported:
                    continue
                _reported.add((variable, environ[variable]))
                shown = "its value" if not spec.repr else repr(environ[variable][:80])
                _log.warning(
                    "environment variable %s: %s is not usable (%s); using %r", variable, shown, error, spec.default
                )
        return cls(**values, **overrides)


_reported: Final[set[tuple[str, str]]] = set()
"""Bad values of the environment that the log has been told of: instrumentation, processor and exporter all read it."""


def _types() -> dict[str, type]:
    global _hints  # noqa: PLW0603 - resolved once, when first asked for
    if _hints is None:
        _hints = get_type_hints(Settings)
    return _hints


_hints: dict[str, type] | None = None


def _parsed(text: str, kind: type) -> Any:
    text = text.strip()
    if kind is bool:
        return parse_bool(text)
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError("expected a whole number") from None
    if kind is float:
        try:
            return float(text)
        except ValueError:
            raise ValueError("expected a number") from None
    return text


def _checked(value: Any, kind: type, check: Callable[[Any], None] | None) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
    if check is not None:
        check(value)
    return value


def settings_table() -> str:
    """Give the Markdown table of all settings that ``docs/settings.md`` shows."""
    lines = ["| setting | environment variable | default | unit | meaning |", "|---|---|---|---|---|"]
    for spec in dataclasses.fields(Settings):
        variables = ", else ".join(f"`{name}`" for name in spec.metadata["env"])
        shown = str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default)
        default = f"`{shown}`" if shown else ""
        lines.append(f"| `{spec.name}` | {variables} | {default} | {spec.metadata['unit']} | {spec.metadata['doc']} |")
    return "\n".join(lines) + "\n"
