"""What is to be traced without a change of its source: targets, read from a TOML file.

    [[targets]]
    call = "bookings.planner.Planner.quote"     # or "bookings.planner:Planner.quote"
    role = "quote"                              # job, attempt, quote, confirm, inline or stage
    arguments.booking_id = "request.booking.id" # where in the arguments
    result.hold = "assignment.hold_id"          # where in what is returned
    result.reason = "error.text"

In ``pyproject.toml`` the same stands under ``tool.otel_auto_assign``. What names no path is found as the decorators
find it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from otel_auto_assign import decorators
from otel_auto_assign._paths import FromArgument, follow, parts_of
from otel_auto_assign.outcomes import Outcome, default_outcome

PYPROJECT: Final = "pyproject.toml"
TOOL: Final = "otel_auto_assign"
_IDS: Final = ("booking_id", "restaurant_id")
_CARRIER: Final = "carrier"
_RESULT: Final = (
    "success", "hold", "hold_id", "reason", "alternates", "cache_hit", "cache_status", "require_adjacency",
    "max_tables", "planner_stats", "result",
)  # fmt: skip


class ConfigurationError(ValueError):
    """What a configuration file says is not usable; the text says what, and what may stand there."""


@dataclass(frozen=True)
class _Role:
    """What may be said of a target of one role."""

    decorator: Callable[..., Any]
    arguments: tuple[str, ...] = ()
    options: Mapping[str, type | tuple[type, ...]] = field(default_factory=dict)
    result: tuple[str, ...] = ()


_ROLES: Final[Mapping[str, _Role]] = {
    "job": _Role(
        decorators.traced_job,
        (*_IDS, "trigger", "inline_attempt_id", "status", "carrier"),
        {"trigger": str, "max_attempts": int},
        _RESULT,
    ),
    "inline": _Role(
        decorators.traced_inline,
        (*_IDS, "trigger", "attempt_id"),
        {"trigger": str, "timeout": (int, float)},
        (*_RESULT, _CARRIER),
    ),
    "attempt": _Role(decorators.traced_attempt),
    "quote": _Role(decorators.traced_quote, _IDS, {}, _RESULT),
    "confirm": _Role(decorators.traced_confirm, _IDS, {}, _RESULT),
    "stage": _Role(decorators.traced_stage, (), {"name": str, "threshold": (int, float)}),
}


@dataclass(frozen=True)
class ResultPaths:
    """An extractor: what the default one finds, and what the paths lead to before it.

    Attributes:
        paths: field of ``Outcome`` → path into the value.
        carrier: path to a mapping into which is written what the job that follows an inline run has to know.
    """

    paths: Mapping[str, tuple[str, ...]]
    carrier: tuple[str, ...] | None = None

    def __call__(self, value: Any, /) -> Outcome:
        """Give the outcome that ``value`` stands for."""
        outcome = default_outcome(value)
        for name, parts in self.paths.items():
            found = follow(value, parts)
            if name == "hold":
                outcome.hold, outcome.hold_id = bool(found), _id_of(found)
            else:
                setattr(outcome, name, found)
        return outcome

    def carrier_in(self, value: Any) -> MutableMapping[str, Any] | None:
        """Give the mapping that is to be written to, if ``value`` has it."""
        found = None if self.carrier is None else follow(value, self.carrier)
        return found if isinstance(found, MutableMapping) else None


def _id_of(hold: Any) -> Any:
    return hold if isinstance(hold, (str, int)) and not isinstance(hold, bool) else follow(hold, ("id",))


@dataclass(frozen=True)
class Target:
    """One callable that is to be traced.

    Attributes:
        call: its dotted name; with a colon after the module's, as in an entry point, there is nothing to guess.
        role: a name of the contract's.
        decorate: traces a callable accordingly.
    """

    call: str
    role: str
    decorate: Callable[[Any], Any]

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules it may be in, the outermost first."""
        module, colon, _ = self.call.partition(":")
        if colon:
            return (module,)
        parts = self.call.split(".")
        return tuple(".".join(parts[:count]) for count in range(1, len(parts)))

    def within(self, module: str) -> tuple[str, ...]:
        """Give the names that lead to it from ``module``, which is one of ``modules``."""
        return tuple(self.call[len(module) + 1 :].split("."))


def target_from(said: object) -> Target:
    """Read one target of a configuration file.

    Raises:
        ConfigurationError: in one sentence.
    """
    if not isinstance(said, Mapping):
        raise ConfigurationError(f"a target is a table, not {said!r:.80}")
    call, role = said.get("call"), said.get("role")
    if not isinstance(call, str) or not _is_dotted(call):
        raise ConfigurationError(f"call = {call!r}: expected a dotted name such as 'bookings.planner.quote'")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        raise ConfigurationError(f"role = {role!r}: expected one of {', '.join(_ROLES)}")
    _only(said, ("call", "role", "arguments", "result", *known.options), f"a target of role {role}")
    options: dict[str, Any] = {}
    for name, kind in known.options.items():
        if name in said:
            if not isinstance(said[name], kind) or isinstance(said[name], bool):
                raise ConfigurationError(f"{name} = {said[name]!r}: expected {'text' if kind is str else 'a number'}")
            options[name] = said[name]
    options |= {name: FromArgument(path) for name, path in _table(said, "arguments", known.arguments).items()}
    paths = {name: parts_of(path) for name, path in _table(said, "result", known.result).items()}
    if paths:
        carrier = paths.pop(_CARRIER, None)
        options["extractor"] = ResultPaths(paths, carrier)
    if role == "stage":
        return Target(call, role, decorators.traced_stage(options.get("name"), threshold=options.get("threshold")))
    return Target(call, str(role), known.decorator(**options))


def means_us(path: Path) -> bool:
    """Tell whether a pyproject.toml has a section of ours; where it is no TOML, whether it looks as if it had one."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    try:
        tools = tomllib.loads(text).get("tool")
    except tomllib.TOMLDecodeError:
        return f"tool.{TOOL}" in text
    return isinstance(tools, dict) and TOOL in tools


def read_targets(path: Path) -> tuple[list[Target], list[str]]:
    """Read the targets of ``path``; give them, and what is wrong with the others, one sentence each.

    Raises:
        OSError: if the file cannot be read.
        ConfigurationError: if it is no TOML, or has no targets where they belong.
    """
    try:
        page = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    if path.name == PYPROJECT:
        for section in ("tool", TOOL):
            found = page.get(section)
            page = found if isinstance(found, dict) else {}
    listed = page.get("targets")
    if not isinstance(listed, list):
        raise ConfigurationError(f"{path} has no [[{f'tool.{TOOL}.' if path.name == PYPROJECT else ''}targets]]")
    targets: list[Target] = []
    wrong = [f"{path}: unknown {name!r} beside targets, which nobody reads" for name in page if name != "targets"]
    for number, said in enumerate(listed, 1):
        try:
            targets.append(target_from(said))
        except ValueError as error:
            named = f" ({said['call']})" if isinstance(said, Mapping) and isinstance(said.get("call"), str) else ""
            wrong.append(f"{path}: target {number}{named} is not traced: {error}")
    return targets, wrong


def _is_dotted(call: str) -> bool:
    module, colon, name = call.partition(":")
    parts = [*module.split("."), *(name.split(".") if colon else ())]
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def _only(said: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = [name for name in said if name not in known]
    if unknown:
        raise ConfigurationError(f"unknown {', '.join(map(repr, unknown))}: {where} has {', '.join(known) or 'none'}")


def _table(said: Mapping[str, Any], name: str, known: tuple[str, ...]) -> Mapping[str, str]:
    table = said.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{name} = {table!r:.80}: expected a table of paths")
    _only(table, known, name)
    return table
