"""``otel-auto-assign sink``: the same rows made behind a collector."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from otel_auto_assign import semconv
from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, settings_for

sink = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@sink.callback()
def _sink(context: typer.Context) -> None:
    """Write rows of spans that come by a collector."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(exits.USAGE)


@sink.command()
def otlp(
    *,
    grpc: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Where to take OTLP/gRPC, or off. By default the setting.", show_default=False
        ),
    ] = "",
    http: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Where to take OTLP/HTTP, or off. By default the setting.", show_default=False
        ),
    ] = "",
    certificate: Annotated[
        str, typer.Option(metavar="FILE", help="The certificate, in PEM: TLS alone is taken.", show_default=False)
    ] = "",
    key: Annotated[str, typer.Option(metavar="FILE", help="The certificate's private key.", show_default=False)] = "",
    token_file: Annotated[
        str, typer.Option(metavar="FILE", help="Holds the token that senders must give.", show_default=False)
    ] = "",
    dsn: Dsn = "",
    table: Table = "",
) -> None:
    """Take OTLP, and answer when the rows are in the table; runs until SIGTERM or SIGINT, and exits with 0 then.

    Exits with 2 if an option or setting is of no use, and with 40 if an address cannot be had. A database that is away
    is no reason to end: senders are told to send again. What happens is on the standard error, a JSON object a line.
    """
    from observability_events.sink.receiver import SetupError, run

    settings = settings_for(
        dsn,
        table,
        sink_grpc=grpc,
        sink_http=http,
        sink_certificate=certificate,
        sink_key=key,
        sink_token_file=token_file,
    )
    _log_as_json()
    try:
        run(settings)
    except SetupError as error:
        exits.leave(exits.USAGE, str(error))


@sink.command()
def kafka(
    *,
    servers: Annotated[
        str,
        typer.Option(metavar="ADDRESSES", help="The brokers to ask first. By default the setting.", show_default=False),
    ] = "",
    topic: Annotated[
        str, typer.Option(metavar="NAME", help="What to read. By default the setting.", show_default=False)
    ] = "",
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="otlp_proto or otlp_json. By default the setting.", show_default=False)
    ] = "",
    group: Annotated[
        str, typer.Option(metavar="NAME", help="The consumer group. By default the setting.", show_default=False)
    ] = "",
    instance: Annotated[
        str, typer.Option(metavar="NAME", help="A name that only this process has in the group.", show_default=False)
    ] = "",
    dead_letters: Annotated[
        str, typer.Option(metavar="NAME", help="The topic for what cannot be read.", show_default=False)
    ] = "",
    properties: Annotated[
        str,
        typer.Option(metavar="FILE", help="More of librdkafka's properties, name=value a line.", show_default=False),
    ] = "",
    health: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Where to answer /healthz and /readyz, or off.", show_default=False),
    ] = "",
    dsn: Dsn = "",
    table: Table = "",
) -> None:
    """Read spans from Kafka, and commit offsets when the rows are in the table; runs until SIGTERM or SIGINT.

    Exits with 0 then, with 2 if an option, a setting or a property is of no use, with 21 if another process has joined
    the group under the same `--instance`, and with 40 if the group cannot be read from any more or an address cannot be
    had. A database, broker or topic that is away is no reason to end. What happens is on the standard error, a JSON
    object a line.
    """
    from observability_events.sink.kafka import FencedError, GroupError, run
    from observability_events.sink.setup import SetupError

    settings = settings_for(
        dsn,
        table,
        sink_kafka_servers=servers,
        sink_kafka_topic=topic,
        sink_kafka_encoding=encoding,
        sink_kafka_group=group,
        sink_kafka_instance=instance,
        sink_kafka_dead_letters=dead_letters,
        sink_kafka_properties=properties,
        sink_health=health,
    )
    _log_as_json()
    try:
        run(settings)
    except SetupError as error:
        exits.leave(exits.USAGE, str(error))
    except FencedError:
        name = settings.sink_kafka_instance
        exits.leave(
            exits.REPLACED,
            f"another process has joined the group as {name}, and this one has left: give each its own name",
        )
    except GroupError as error:
        exits.leave(exits.CRASHED, f"the group cannot be read from any more: {error}")


def _log_as_json() -> None:
    """Have everything that is logged be a line on the standard error, ours from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("observability_events", "otel_auto_assign"):
        logging.getLogger(ours).setLevel(logging.INFO)


class _JsonLines(logging.Formatter):
    """One JSON object a record, under the names of OpenTelemetry's log data model."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "severity": record.levelname,
            "scope": record.name,
            "body": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            kind, _, trace = record.exc_info
            said[semconv.EXCEPTION_TYPE] = None if kind is None else kind.__qualname__
            said[semconv.EXCEPTION_STACKTRACE] = "".join(
                traceback.format_tb(trace)
            )  # without the message: it may name a person
        return json.dumps(said)
