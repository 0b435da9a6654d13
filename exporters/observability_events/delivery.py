"""The rows in hand, until each is written or refused: what to try next, and after which wait.

No thread, no socket and no sleep of its own: `Delivery.step` makes one attempt and gives the seconds to wait before the
next. The rows in hand are groups, written one statement each::

    group ──► insert ──► committed
      ▲         │
      │         ├─ RECONNECT, DOUBT, BACK_OFF, HOLD: the group stays; wait, longer each time
      ├─halves──┼─ SPLIT (a lock), ISOLATE (a bad row), of more than one row
      │         ├─ SPLIT of one row ───► set aside
      │         └─ ISOLATE of one row ─┬ dangling id: column emptied, the group stays
      │                                ├ another row of its batch was committed since: refused
      │                                └ else: suspect, until any other row is committed: refused
      └──────(later)───── set aside, suspects; and with three suspects in a batch, all that is left of it

A suspect is not refused at once, for it may be the table that refuses everything; or everything of a kind, which is the
columns that are filled: that one was made NOT NULL is no fault of the rows without it. New rows go on being tried, so
that bad rows cannot stop good ones.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psycopg

from observability_events import wire
from observability_events.circuit import Circuit
from observability_events.complaints import Complaint
from observability_events.dangling import DanglingIds
from observability_events.failures import Action, LostError, TableUnfitError, action, error_type
from observability_events.groups import OF_COLUMNS, Group, Kind, Proofs, Suspect, Trial, kind_of, proves
from observability_events.refusals import NOT_ENCODABLE, REFUSED, Refusals
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from observability_events.accounts import Ledger
    from observability_events.place import Place
    from observability_events.rows import Row
    from observability_events.wire import EncodedRow
    from observability_events.writer import Writer

_log = SafeLog(__name__)

BACKOFF_BASE_SECONDS: Final = 0.2
BACKOFF_CAP_SECONDS: Final = 10.0
DOUBTS: Final = 3  # failures in a row that the connection may be blamed for
SUSPECTS: Final = 3  # rows of a batch that fail alone before it is the table's fault, not theirs
PARKED_ROWS: Final = 10_000  # the most that are set aside while further ones are taken
LOCK_FAILURES: Final = 12  # statements in a row that met a lock before it is the whole table that is locked
BLOCKED_RETRY_SECONDS: Final = 1.0


def nothing_timed(seconds: float, failed: str | None) -> None:
    """Forget how long a batch took: what is done with it until somebody wants it."""


@dataclass
class Delivery:
    """See the module; to be used by one thread.

    Attributes:
        writer: Writes a group.
        ledger: Told what becomes of each row.
        refusals: Gets each row that the database will never take.
        on_operation: Told how many seconds a batch, or a part of one, was in hand until it was committed; or how long
            an attempt took that failed, and what ``error.type`` says of it. It must not raise.
        circuit: Told of successes, and of failures after which there is a wait.
        away: Held while the server is waited for: others may take what is in hand meanwhile.
        proofs: What the table has taken; shared by those who write into the same one.
        clock: Seconds, monotonic.
        chance: A number in [0, 1) for the jitter.
    """

    writer: Writer
    ledger: Ledger
    refusals: Refusals
    on_operation: Callable[[float, str | None], None] = nothing_timed
    circuit: Circuit = field(default_factory=Circuit)
    away: Callable[[], AbstractContextManager[None]] = nullcontext
    proofs: Proofs = field(default_factory=Proofs)
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    _groups: deque[Group] = field(default_factory=deque)
    _blocked: list[EncodedRow] = field(default_factory=list)
    _suspects: list[Suspect] = field(default_factory=list)
    _retry_at: float = 0.0
    _dangling: DanglingIds = field(init=False)
    _failures: int = 0
    _doubts: int = 0
    _lock_failures: int = 0
    _complaint: Complaint = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing known, and without a complaint."""
        self._dangling = DanglingIds(self.clock)
        self._complaint = Complaint(_log, "rows are being written again", clock=self.clock)

    @property
    def busy(self) -> bool:
        """Whether `step` has something to do now."""
        return bool(self._groups) or (self._parked > 0 and self.clock() >= self._retry_at)

    @property
    def rest_seconds(self) -> float:
        """How long neither `step` nor ``refusals`` has anything to do, unless further rows are given."""
        if self._groups:
            return 0.0
        parked = max(0.0, self._retry_at - self.clock()) if self._parked else math.inf
        return min(parked, self.refusals.rest_seconds)

    @property
    def waiting(self) -> bool:
        """Whether a row is in hand that may yet be written: suspects alone will not be."""
        return bool(self._groups or self._blocked)

    @property
    def empty(self) -> bool:
        """Whether no row is in hand, refused ones that are to be kept included."""
        return not self._groups and not self._parked and not self.refusals.holds

    @property
    def full(self) -> bool:
        """Whether so many rows are set aside that no further ones should be given."""
        return self._parked >= PARKED_ROWS

    @property
    def _parked(self) -> int:
        return len(self._blocked) + len(self._suspects)

    def encoded(self, rows: Sequence[Row], place: Place | None = None) -> list[EncodedRow]:
        """Encode ``rows``, which are in hand; one that cannot be is refused, at no cost to the others."""
        encoded = []
        for row in rows:
            try:
                encoded.append(wire.encode(row, place))
            except Exception as error:  # of whatever kind its values provoke
                self.refusals.refuse(row, place, NOT_ENCODABLE, "", type(error).__name__)
        return encoded

    def add(self, rows: list[EncodedRow]) -> None:
        """Take ``rows`` to be written together."""
        self._groups.append(Group(rows, Trial(self.clock())))

    def step(self) -> float:
        """Try to write one group; give the seconds to wait before the next step."""
        if not self._groups:
            self._unpark()
        group = self._groups[0]
        group.rows = self._dangling.taken_out(group.rows)
        began = self.clock()
        try:
            with self.away():
                inserted = self.writer.insert(group.rows)
        except LostError as lost:
            self.on_operation(self.clock() - began, lost.reason)
            self._groups.popleft()
            self.ledger.committed(len(group.rows) - lost.rows, already_present=0)
            self.ledger.dropped(lost.reason, lost.rows)
            return 0.0
        except Exception as error:
            self.on_operation(self.clock() - began, error_type(error))
            return self._failed(group, error)
        self._groups.popleft()
        self.ledger.committed(len(group.rows), already_present=len(group.rows) - inserted)
        self.on_operation(self.clock() - group.trial.began, None)
        for row in group.rows:
            if row.place is not None:
                row.place.settle()
        self.circuit.succeeded()
        kinds = {kind_of(row) for row in group.rows}
        group.trial.proven |= kinds
        self.proofs.taken(kinds)
        self._failures = self._doubts = self._lock_failures = 0
        self._refuse_suspects(kinds)  # others like them were committed: the fault is theirs
        self._complaint.over()
        return 0.0

    def finish(self) -> None:
        """Refuse the suspects of whose kind the table has taken others; if it took none, it is the table's fault."""
        self._refuse_suspects(self.proofs.kinds)

    def secure(self, secured: Callable[[EncodedRow], EncodedRow]) -> None:
        """Have every row in hand be on disk, too."""
        for group in self._groups:
            group.rows = [secured(row) for row in group.rows]
        self._blocked = [secured(row) for row in self._blocked]
        self._suspects = [suspect._replace(row=secured(suspect.row)) for suspect in self._suspects]

    def release(self) -> list[EncodedRow]:
        """Give up every row in hand, and be empty."""
        rows = [row for group in self._groups for row in group.rows]
        rows += self._blocked
        rows += [suspect.row for suspect in self._suspects]
        self._groups.clear()
        self._blocked, self._suspects = [], []
        return rows

    def hasten(self) -> None:
        """Try what is parked at the next step, not later, and what is refused and not kept."""
        self._retry_at = 0.0
        self.refusals.hasten()

    def _failed(self, group: Group, error: Exception) -> float:
        wanted = action(error)
        if wanted is Action.DOUBT:
            self._doubts += 1
            wanted = Action.ISOLATE if self._doubts > DOUBTS else Action.RECONNECT
        if wanted is Action.ISOLATE:
            return self._isolate(group, error)
        if wanted is Action.SPLIT:
            return self._split(group, error)
        if wanted is not Action.BACK_OFF:
            self.writer.disconnect()
        if wanted is Action.HOLD and self._failures == 0 and not isinstance(error, TableUnfitError):
            self._failures = 1  # at once, once: the probe says it better, and what it knew may just be old
            return 0.0
        return self._back_off(self.writer.told(error))

    def _isolate(self, group: Group, error: Exception) -> float:
        if len(group.rows) > 1:
            self._halve(group)
            return 0.0
        row = group.rows[0]
        column = self.writer.dangling(error)
        reference = getattr(row.row, column) if column is not None else None
        if column is not None and reference is not None:
            self._dangling.remember(column, reference)
            return 0.0
        self._groups.popleft()
        sqlstate = (error.sqlstate if isinstance(error, psycopg.Error) else None) or ""
        suspect = Suspect(row, sqlstate, self.writer.told(error))
        group.trial.proven |= self.proofs.since(suspect)
        if proves(group.trial.proven, suspect):
            self._refuse(suspect)
            return 0.0
        self._suspects.append(suspect)
        self.proofs.suspected(suspect)
        self._park(BLOCKED_RETRY_SECONDS * (0.5 + self.chance()))
        group.trial.suspects += 1
        if group.trial.again and not self._groups and group.trial.suspects < SUSPECTS:
            # Nothing else came that could prove the table right: whoever waits for these rows has to hear of it.
            self._park(self._back_off(f"refused by the table: {self.writer.told(error)}"))
        if group.trial.suspects >= SUSPECTS:
            self.writer.disconnect()  # what the table looked like may be out of date
            self._set_aside(group.trial, kind_of(row) if sqlstate in OF_COLUMNS else None)
            self._park(self._back_off(f"every such row is refused: {self.writer.told(error)}"))
        return 0.0

    def _split(self, group: Group, error: Exception) -> float:
        self._lock_failures += 1
        if self._lock_failures > LOCK_FAILURES:
            self._lock_failures = 0
            return self._back_off(f"locked by another session: {self.writer.told(error)}")
        if len(group.rows) > 1:
            self._halve(group)
        else:
            self._groups.popleft()
            self._blocked += group.rows
            self._park(BLOCKED_RETRY_SECONDS * (0.5 + self.chance()))
        return 0.0

    def _halve(self, group: Group) -> None:
        # What fails alike stays together; but of what is tried again those come first that were not tried before.
        rows = group.rows if group.trial.again else sorted(group.rows, key=_booking)
        middle = len(rows) // 2
        self._groups[0] = Group(rows[:middle], group.trial)
        self._groups.insert(1, Group(rows[middle:], group.trial))

    def _park(self, seconds: float) -> None:
        self._retry_at = self.clock() + seconds

    def _set_aside(self, trial: Trial, kind: Kind | None) -> None:
        """Set aside what is left of a trial; with ``kind``, rows of that kind alone, and the others go on."""
        groups, self._groups = self._groups, deque()
        for group in groups:
            left = [row for row in group.rows if group.trial is not trial or kind not in (None, kind_of(row))]
            if len(left) == len(group.rows):
                self._groups.append(group)
                continue
            self._blocked += [row for row in group.rows if kind in (None, kind_of(row))]
            if left:
                self._groups.append(Group(left, Trial(group.trial.began)))

    def _unpark(self) -> None:
        """Put what is parked in hand again, the suspects last: three others are tried first each time."""
        rows = self._blocked + [suspect.row for suspect in self._suspects]
        self._blocked, self._suspects = [], []
        if rows:
            self._groups.append(Group(rows, Trial(self.clock(), again=True)))

    def _back_off(self, text: str) -> float:
        self._complaint.trouble(f"rows cannot be written now and wait: {text}")
        self.circuit.failed(text)
        self._failures += 1
        most = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(self._failures, 32))
        return max(most * self.chance(), 0.01)

    def _refuse_suspects(self, kinds: AbstractSet[Kind]) -> None:
        suspects, self._suspects = self._suspects, []
        for suspect in suspects:
            if proves(kinds, suspect):
                self._refuse(suspect)
            else:
                self._suspects.append(suspect)

    def _refuse(self, suspect: Suspect) -> None:
        row = suspect.row
        self.refusals.refuse(row.row, row.place, REFUSED, suspect.sqlstate, suspect.text)


def _booking(row: EncodedRow) -> str:
    return str(row.row.booking_id)
