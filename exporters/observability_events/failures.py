"""What a failed statement asks for, by its SQLSTATE: a table, and the few cases in which the code alone does not say.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

import psycopg

from otel_auto_assign.values import qualified_name


class Action(Enum):
    """What to do with the rows of a statement that failed."""

    RECONNECT = auto()  # the connection or the server has gone; the rows are as good as before
    DOUBT = auto()  # reconnect, but after three times in a row suspect the rows
    BACK_OFF = auto()  # the server is busy with others
    SPLIT = auto()  # some rows wait for a lock; the others need not
    ISOLATE = auto()  # a row is at fault; the others are not
    HOLD = auto()  # table, role or database must change first; the rows are good


_ACTIONS: Final = {
    "08": Action.RECONNECT,  # connection exception
    "0A": Action.HOLD,  # feature not supported
    "21": Action.ISOLATE,  # cardinality violation
    "22": Action.ISOLATE,  # data exception
    "23": Action.ISOLATE,  # integrity constraint violation
    "25": Action.RECONNECT,  # invalid transaction state: read-only after a fail-over
    "28": Action.HOLD,  # invalid authorization
    "38": Action.ISOLATE,  # external routine exception: a trigger of the host's
    "39": Action.ISOLATE,
    "3D": Action.HOLD,  # invalid catalog name
    "3F": Action.HOLD,  # invalid schema name
    "40": Action.BACK_OFF,  # transaction rollback: deadlock, serialization
    "42": Action.HOLD,  # undefined table or column, insufficient privilege
    "44": Action.ISOLATE,  # with check option
    "53": Action.BACK_OFF,  # insufficient resources
    "54": Action.ISOLATE,  # program limit exceeded: a row too large for its index
    "55": Action.HOLD,  # object not in prerequisite state
    "55P03": Action.SPLIT,  # lock not available
    "57": Action.RECONNECT,  # operator intervention
    "57014": Action.SPLIT,  # query canceled: statement_timeout
    "58": Action.RECONNECT,  # system error
    "P0": Action.ISOLATE,  # raised by a trigger of the host's
    "XX": Action.DOUBT,  # internal error
}


class TableUnfitError(Exception):
    """The table cannot take our rows as it is; the text says why and what to do."""


class DeadlineError(psycopg.OperationalError):
    """A statement was given up by this side; whether it was committed is not known."""


class LostError(Exception):
    """The last ``rows`` of a batch can never be written, those before them are; ``reason`` is what is counted."""

    def __init__(self, reason: str, rows: int) -> None:
        super().__init__(reason, rows)
        self.reason = reason
        self.rows = rows


def refused_by_policy(error: BaseException) -> bool:
    """Say whether row security refused the row: a policy is against it, no privilege is missing."""
    return (
        isinstance(error, psycopg.Error)
        and error.sqlstate == "42501"
        and error.diag.source_function == "ExecWithCheckOptions"
    )


def error_type(error: BaseException) -> str:
    """Give what ``error.type`` says of a failure: its SQLSTATE or, where there is none, its class.

    >>> error_type(psycopg.errors.DeadlockDetected("…")), error_type(DeadlineError("…"))
    ('40P01', 'observability_events.failures.DeadlineError')
    """
    return (error.sqlstate if isinstance(error, psycopg.Error) else None) or qualified_name(type(error))


def action(error: BaseException) -> Action:
    """Tell what the rows of a statement that failed with ``error`` ask for."""
    if isinstance(error, TableUnfitError):
        return Action.HOLD
    if not isinstance(error, psycopg.Error):
        return Action.ISOLATE if isinstance(error, (ValueError, TypeError, OverflowError)) else Action.DOUBT
    if error.sqlstate is None:
        return Action.ISOLATE if isinstance(error, psycopg.DataError) else Action.RECONNECT
    return _of_the_server(error, error.sqlstate)


def _of_the_server(error: psycopg.Error, state: str) -> Action:
    if refused_by_policy(error):
        return Action.ISOLATE
    if state == "55P03" and error.diag.statement_position is not None:
        return Action.BACK_OFF  # a table that the statement names is locked as a whole: halves would wait, too
    if state == "23514" and error.diag.source_function == "ExecFindPartition":
        return Action.HOLD  # no CHECK refuses this row; a partition is missing
    return _ACTIONS.get(state) or _ACTIONS.get(state[:2]) or Action.DOUBT
