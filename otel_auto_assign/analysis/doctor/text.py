"""What doctor found, as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from typing import Any, Final

from otel_auto_assign.analysis.doctor.findings import Finding, Verdict, worst
from otel_auto_assign.analysis.report_text import markdown_row
from otel_auto_assign.analysis.windows import Window

SHOWN: Final = 3
_SAID: Final = {
    Verdict.OK: "These rows can be relied on.",
    Verdict.WARNING: "These rows can be relied on, with the care that the warnings name.",
    Verdict.CANNOT_TELL: "Whether these rows can be relied on cannot be told from here.",
    Verdict.WRONG: "These rows cannot be relied on until what is wrong is mended.",
}


def conclusion(findings: Sequence[Finding]) -> str:
    """Say in a sentence what all findings come to, and how many there are of each."""
    counts = ", ".join(
        f"{count} {verdict}"
        for verdict in Verdict
        if (count := sum(finding.verdict is verdict for finding in findings))
    )
    return f"{_SAID[worst(findings)]} ({counts})"


def evidence(finding: Finding) -> str:
    """Give the evidence with a few of its examples; all of them are in the JSON."""
    shown = ", ".join(finding.examples[:SHOWN])
    return finding.evidence + (f" (for example {shown})" if shown else "")


def links(finding: Finding) -> list[str]:
    """Give the addresses of the traces of the examples that are shown, in their order."""
    return [finding.traces[one] for one in finding.examples[:SHOWN] if one in finding.traces]


def markdown(window: Window, findings: Sequence[Finding]) -> str:
    """Write what was found as a Markdown page."""
    lines = [f"# Telemetry of auto-assign, {window}", "", conclusion(findings), ""]
    lines += [markdown_row(("verdict", "check", "evidence", "remedy")), markdown_row(["---"] * 4)]
    lines += [
        markdown_row((one.verdict, one.check, " ".join([evidence(one), *links(one)]), one.remedy)) for one in findings
    ]
    return "\n".join(lines) + "\n"


def as_json(window: Window, findings: Sequence[Finding]) -> dict[str, Any]:
    """Give what was found as what JSON can say."""
    start, end = (moment.astimezone(UTC).isoformat() for moment in (window.start, window.end))
    return {
        "window": {"start": start, "end": end},
        "verdict": worst(findings),
        "findings": [asdict(finding) for finding in findings],
    }
