"""The gate's ledger: one JSON line for each look. It remembers what was fixed before the data were there.

Here are only the records and what follows from them; reading and appending the file is the command's business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from otel_auto_assign.analysis.plans import Stage
from otel_auto_assign.analysis.samples import Sample


class LedgerError(ValueError):
    """A line that no gate wrote, or that was damaged since."""


@dataclass(frozen=True)
class Look:
    """One look at a stage, as it is remembered.

    Attributes:
        stage: Its name.
        as_of: The moment the data were looked at, UTC.
        start: When the stage started.
        due: The date of its one look.
        final: Whether this was that look.
        plan: The plan's digest.
        data: The digest of what was judged.
        verdict: What the gate said.
        cause: Of FAIL, else empty.
        versions: Of this package and of what it reckons with.
        frozen: What shares are above of, fixed before the stage; by goal.
    """

    stage: str
    as_of: datetime
    start: datetime
    due: datetime
    final: bool
    plan: str
    data: str
    verdict: str
    cause: str = ""
    versions: Mapping[str, str] | None = None
    frozen: Mapping[str, float] | None = None

    def line(self) -> str:
        """As a line of the ledger, its end included."""
        return json.dumps(asdict(self), default=datetime.isoformat, sort_keys=True) + "\n"


def read_ledger(lines: Iterable[str]) -> tuple[Look, ...]:
    """Read the lines of a ledger; empty ones are passed over.

    Raises:
        LedgerError: if a line is no look: one sentence with its number.
    """
    return tuple(_look(line, number) for number, line in enumerate(lines, 1) if line.strip())


def started(stage: Stage, looks: Sequence[Look], now: datetime) -> datetime:
    """When a stage started: as planned, else when the gate was first asked of it, which is now if it never was."""
    if stage.start is not None:
        return stage.start
    return min((look.start for look in looks if look.stage == stage.name), default=now.astimezone(UTC))


def frozen(stage: Stage, looks: Sequence[Look]) -> Mapping[str, float] | None:
    """What the first look at a stage fixed; None where there was none, so that it is to be fixed now."""
    return next((look.frozen or {} for look in looks if look.stage == stage.name), None)


def tampering(stage: Stage, looks: Sequence[Look], *, plan: str, start: datetime) -> tuple[str, ...]:
    """Say how the plan differs from the one that earlier looks at the stage went by; empty where it does not."""
    due = stage.look(start)
    for look in looks:
        if look.stage != stage.name:
            continue
        if look.due != due:
            return (f"the date of the look was {_day(look.due)} on {_day(look.as_of)}, now it is {_day(due)}",)
        if look.plan != plan:
            return (f"the plan was changed after the gate looked on {_day(look.as_of)}: {look.plan} became {plan}",)
    return ()


def is_final(stage: Stage, looks: Sequence[Look], *, start: datetime, as_of: datetime) -> bool:
    """Whether this is the stage's one look: its date has come, and it was not taken before."""
    taken = any(look.final for look in looks if look.stage == stage.name)
    return as_of >= stage.look(start) and not taken


def digest(post: Mapping[str, Sample], baseline: Mapping[str, Sample]) -> str:
    """A hash of what is judged: values, clusters and sides, in the order in which they were read."""
    state = hashlib.sha256()
    for name, side in (("post", post), ("baseline", baseline)):
        for measure in sorted(side):
            sample = side[measure]
            state.update(f"{name} {measure} {sample.rows} {sample.limit}".encode())
            columns = (sample.values, sample.beyond, sample.bookings, sample.units, sample.restaurants, sample.days)
            for column in columns:
                state.update(b"" if column is None else column.tobytes())
    return state.hexdigest()[:16]


def _look(line: str, number: int) -> Look:
    try:
        found: dict[str, Any] = json.loads(line)
        moments = {key: datetime.fromisoformat(found[key]) for key in ("as_of", "start", "due")}
        if any(moment.tzinfo is None for moment in moments.values()) or not isinstance(found["final"], bool):
            raise ValueError(line)
        known = {one.name for one in fields(Look)}
        return Look(**{key: value for key, value in found.items() if key in known} | moments)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise LedgerError(
            f"line {number} of the ledger is not a look that the gate wrote: move the file away, or restore the line"
        ) from None


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
