"""How the exporter on this machine is, as doctor says it: rows that wait on disk, and rows that were refused."""

from __future__ import annotations

from collections.abc import Iterator

from observability_events.dead_letters import DeadLetters, DeadLettersError
from observability_events.folder import Destination, Owner, destination
from otel_auto_assign.analysis.doctor import Finding, Verdict
from otel_auto_assign.settings import Settings


def exporter_health(settings: Settings) -> Iterator[Finding]:
    """Look at the spool and the dead letters of the destination; nothing is made, and nothing is changed."""
    try:
        found = destination(settings)
        if not found.path.exists():
            evidence = "nothing waits on this machine, and nothing was refused; other machines are not seen from here"
            yield Finding("spool", Verdict.OK, evidence)
            return
        yield from _about_spool(found)
        yield from _about_letters(found)
    except (OSError, RuntimeError) as error:  # another user's folder; no home
        remedy = "run doctor as the application's user"
        yield Finding("spool", Verdict.CANNOT_TELL, f"the spool cannot be looked at: {error}", remedy)


def _about_spool(found: Destination) -> Iterator[Finding]:
    owners = found.owners()
    records = sum(segment.records or 0 for owner in owners for segment in owner.segments)
    unread = [str(path) for path in found.quarantined()]
    open_circuits = [owner for owner in owners if owner.alive and _says(owner, "circuit") not in (None, "closed")]
    if records:
        evidence = f"{records:,} rows wait on disk below {found.path}: they are missing in the table"
        remedy = "see what the database says (`otel-auto-assign check`); they are written when it takes them"
        yield Finding("spool", Verdict.WARNING, evidence, remedy)
    else:
        yield Finding("spool", Verdict.OK, f"nothing waits below {found.path}; other machines are not seen from here")
    if open_circuits:
        said = "; ".join(f"{owner.name}: {_says(owner, 'last_error') or 'no reason given'}" for owner in open_circuits)
        evidence = f"{len(open_circuits)} processes cannot write now: {said}"
        yield Finding("exporter", Verdict.WRONG, evidence, "see `otel-auto-assign check`")
    lost = sum(sum((_accounts(owner).get("dropped") or {}).values()) for owner in owners)
    if lost:
        evidence = f"{lost:,} rows were dropped by the processes that left their accounts here"
        yield Finding("dropped", Verdict.WARNING, evidence, "see each reason in the status files of the spool's folder")
    if unread:
        evidence = f"{len(unread)} files could not be read and lie in quarantine"
        yield Finding("quarantine", Verdict.WARNING, evidence, "keep them until they were looked at", tuple(unread[:3]))


def _about_letters(found: Destination) -> Iterator[Finding]:
    try:
        letters = DeadLetters(found.path).count()
    except DeadLettersError as error:
        yield Finding("dead_letters", Verdict.CANNOT_TELL, str(error), "see the file")
        return
    if letters:
        evidence = f"{letters:,} rows were refused by the table and are missing in it"
        yield Finding("dead_letters", Verdict.WARNING, evidence, "see why in dead-letters.sqlite3 of the spool")
    else:
        yield Finding("dead_letters", Verdict.OK, "no row was refused")


def _says(owner: Owner, key: str) -> str | None:
    value = (owner.status or {}).get(key)
    return value if isinstance(value, str) else None


def _accounts(owner: Owner) -> dict[str, dict[str, int]]:
    accounts = (owner.status or {}).get("accounts")
    return accounts if isinstance(accounts, dict) else {}
