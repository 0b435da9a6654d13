"""What users of the library depend on, as text: ``python -m tests.project.surface > tests/project/surface.txt``."""

from __future__ import annotations

import importlib
import inspect
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

import typer

from otel_auto_assign import Settings, semconv
from otel_auto_assign.cli import app
from otel_auto_assign.handles import InlineHandle, JobHandle
from tests.project.sources import PACKAGES, ROOT

MODULES: Final = (
    *PACKAGES,
    "otel_auto_assign.instrumentor",
    "otel_auto_assign.openfeature",
    "otel_auto_assign.testing",
)


def surface() -> str:
    """Give all of it, a line each."""
    parts = (
        _names(),
        _commands(typer.main.get_command(app), "otel-auto-assign"),
        _settings(),
        _entry_points(),
        _semconv(),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _names() -> Iterator[str]:
    for module in MODULES:
        loaded = importlib.import_module(module)
        for name in loaded.__all__:
            if name != "__version__":
                yield from _named(f"{module}.{name}", getattr(loaded, name))
    for handle in (JobHandle, InlineHandle):
        yield from _named(f"otel_auto_assign.handles.{handle.__name__}", handle)


def _named(name: str, value: Any) -> Iterator[str]:
    yield f"{name}{_signature(value)}"
    if inspect.isclass(value) and value is not Settings:
        ours = [base for base in reversed(value.__mro__) if base.__module__.partition(".")[0] in PACKAGES]
        members = {own: member for base in ours for own, member in vars(base).items()}
        for own, member in sorted(members.items()):  # slots come in the order of the Python
            if not own.startswith("_"):
                yield f"{name}.{own}{_signature(member)}"


def _signature(value: Any) -> str:
    """Give the names of parameters, and which must be given; types are what the type checker is for."""
    if not callable(value) or value is Settings or getattr(value, "_is_protocol", False):
        return ""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # of the standard library's, written in C
        return ""
    return f"({', '.join(_parameter(parameter) for parameter in parameters)})"


def _parameter(parameter: inspect.Parameter) -> str:
    star = (
        "*" if parameter.kind is parameter.VAR_POSITIONAL else "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    )
    optional = "" if parameter.default is parameter.empty else "="
    keyword = "~" if parameter.kind is parameter.KEYWORD_ONLY else ""
    return f"{star}{keyword}{parameter.name}{optional}"


def _commands(command: Any, name: str) -> Iterator[str]:
    for parameter in command.params:
        yield f"{name} {' '.join([*parameter.opts, *parameter.secondary_opts])}"
    for below, one in sorted(getattr(command, "commands", {}).items()):
        yield f"{name} {below}"
        yield from _commands(one, f"{name} {below}")


def _settings() -> Iterator[str]:
    for setting in fields(Settings):
        shown = "" if setting.default == "" else repr(setting.default)
        yield f"setting {setting.name} {' '.join(setting.metadata['env'])} {shown}".rstrip()


def _entry_points() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    for group, points in groups.items():
        for name, target in points.items():
            yield f"entry point {group} {name} = {target}"


def _semconv() -> Iterator[str]:
    for name, value in sorted(vars(semconv).items()):
        if name.isupper() and isinstance(value, str):
            yield f"semconv {name} {value}"


if __name__ == "__main__":
    print(surface(), end="")  # noqa: T201 - the output
