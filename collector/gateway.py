"""The gateway of ``collector/configs``, between an application, a sink, Jaeger and Prometheus."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from collector.running import collector, free_address

CONFIGS: Final = Path(__file__).with_name("configs")
GATEWAY: Final = CONFIGS / "gateway.yaml"
KAFKA: Final = CONFIGS / "gateway-kafka.yaml"
SINK: Final = CONFIGS / "sink.yaml"
_SERIES: Final = re.compile(r"^(\w+)\{(.*?)\} (\S+)(?: # \{(.*?)\} .*)?$")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Series(NamedTuple):
    """A line of Prometheus' page."""

    name: str
    labels: dict[str, str]
    value: float
    exemplar: dict[str, str]


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs.

    Attributes:
        takes: Where it takes spans and metrics, by OTLP/gRPC.
        page: Where Prometheus reads.
        itself: Where it tells how it is.
    """

    takes: str
    page: str
    itself: str

    def series(self) -> list[Series]:
        """Read Prometheus' page as Prometheus does, exemplars included."""
        return _series(self.page, "application/openmetrics-text; version=1.0.0")

    def decided(self, what: str) -> float:
        """Tell of how many traces it has decided ``what``: ``sampled`` or ``not_sampled``."""
        name = "otelcol_processor_tail_sampling_global_count_traces_sampled"
        return _sum(_series(self.itself, "text/plain"), name, decision=what)

    def has_handed_on(self) -> bool:
        """Tell whether Jaeger has all that it is to get of the spans that came, if these came one by one.

        When the gateway ends, what is still in its queue stays on its disk.
        """
        seen = _series(self.itself, "text/plain")
        came = _sum(seen, "otelcol_processor_memory_limiter_accepted_spans")
        # Each span is held against the policies, of which this is one, or against what was decided of its trace before.
        decided = _sum(seen, "otelcol_processor_tail_sampling_sampling_policy_execution_count", policy="errors")
        decided += _sum(seen, "otelcol_processor_tail_sampling_early_releases_from_cache_decision")
        kept = _sum(seen, "otelcol_processor_outgoing_items", processor="transform/back")
        sent = _sum(seen, "otelcol_exporter_sent_spans", exporter="otlp_grpc/jaeger")
        return 0 < came <= decided and kept == sent


@contextmanager
def gateway(
    folder: Path, *, sink: str = "", jaeger: str = "", then: Sequence[Path] = (), **environ: str
) -> Iterator[Gateway]:
    """Run it for the block; what its queues hold at the block's end stays in its storage.

    Args:
        folder: Gets its log, and its storage.
        sink: The sink's address.
        jaeger: Jaeger's.
        then: The files after its own.
        environ: More of what the configuration asks of the environment.
    """
    made = Gateway(takes=free_address(), page=free_address(), itself=free_address())
    storage = folder / "storage"
    storage.mkdir(exist_ok=True)
    given = {
        "HEALTH": free_address(),
        "JAEGER": jaeger or free_address(),
        "JAEGER_INSECURE": "true",
        "METRICS_PORT": made.itself.rpartition(":")[2],
        "OTELCOL_STORAGE": str(storage),
        "OTLP_GRPC": made.takes,
        "OTLP_HTTP": free_address(),
        "PROMETHEUS": made.page,
        "SINK": sink or free_address(),
        "SINK_INSECURE": "true",
        "SPAN_METRICS_INTERVAL": "1s",
    }
    with collector(GATEWAY, folder, given | environ, takes=made.takes, then=then):
        yield made


def _sum(series: Iterable[Series], name: str, **labels: str) -> float:
    return sum(one.value for one in series if one.name == name and labels.items() <= one.labels.items())


def _series(address: str, form: str) -> list[Series]:
    asked = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": form})
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - http alone, on loopback
        lines = answer.read().decode().splitlines()
    return [
        Series(found[1], dict(_LABEL.findall(found[2])), float(found[3]), dict(_LABEL.findall(found[4] or "")))
        for line in lines
        if (found := _SERIES.match(line))
    ]
