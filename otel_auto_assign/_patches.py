"""Setting attributes of the host's modules, classes and objects, and setting them back to the identical object."""

from __future__ import annotations

import gc
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from inspect import getattr_static
from types import BuiltinFunctionType, CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple

from otel_auto_assign import _wrapping
from otel_auto_assign._callables import TracedCallable

ABSENT: Final = object()
ROUTERS: Final = frozenset({"aiohttp", "bottle", "django", "falcon", "fastapi", "flask", "quart", "sanic", "starlette"})
"""Frameworks that take a function into a table of routes while its module runs."""

_STANDARD_LIBRARY: Final = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})

_DEPTH: Final = 3  # containers: a table of routes, in an object's attributes
_MOST_HOLDERS: Final = 1000
"""Something that so many containers hold is in no table of routes alone, and looking on would take the host's time."""


class RefusedError(Exception):
    """A target cannot be traced where it is; the text says why and what to do."""


class NotThereError(RefusedError):
    """There is nothing by that name, here."""


class Patch(NamedTuple):
    """An attribute that was set: of what, its name, what was there in the owner itself, and what is there now."""

    owner: Any
    name: str
    before: Any
    now: Any

    def undo(self) -> bool:
        """Set it back; give whether that was right, for what somebody else has set since is left alone."""
        if _own(self.owner, self.name) is not self.now:
            return False
        try:
            if self.before is ABSENT:
                delattr(self.owner, self.name)
            else:
                setattr(self.owner, self.name, self.before)
        except Exception:  # an object of the host's that takes no more changes; the others are set back all the same
            return False
        return True


def patch(module: Any, module_name: str, names: tuple[str, ...], decorate: Callable[[Any], Any]) -> list[Patch]:
    """Decorate what ``names`` lead to from ``module``, also where other modules have it under a name of their own.

    Args:
        module: what is imported by ``module_name``; a module may put any other object in its place.
        module_name: its name.
        names: attributes, one below the other.
        decorate: traces what stands there.

    Raises:
        NotThereError: if there is nothing by that name.
        RefusedError: if it cannot be decorated, or calls would pass the decorated one by.
    """
    owner, name, found = _found(module, module_name, names)
    if is_early(found):
        raise RefusedError(
            "it is a shared task, and there is no Celery application yet that has it: import the module that makes the "
            "application before this one"
        )
    if is_task(found):  # its queue holds the object, not the function: workers look at .run when they start
        owner, name, found = found, "run", found.run
    if is_traced(found):
        raise RefusedError("it is traced already, by a decorator in the source or by another target")
    if isinstance(owner, ModuleType) and _is_pythons_own(found):
        raise RefusedError(
            f"{found.__module__}.{found.__name__} is one of Python's own functions, which everybody calls: name the "
            "function of the application that calls it"
        )
    if name.startswith("__") and not isinstance(owner, (ModuleType, type)):
        raise RefusedError(f"Python looks for {name} in the class: name {name_of(owner)}.{name}")
    if found is vars(object).get(name):  # which looks at its class, whether that has one of its own
        raise RefusedError(f"{name_of(owner)} has no {name} of its own, only Python's: name a method that it defines")
    if getattr(found, "__isabstractmethod__", False) is True:
        raise RefusedError("it is abstract: name it in the class that does the work")
    if (router := router_of(found)) is not None:
        raise RefusedError(
            f"{router} took the function itself while its module ran, and would go on calling it untraced: "
            "name the function that the route calls, or decorate it below the route's decorator"
        )
    try:
        ours = decorate(found)
    except (TypeError, ValueError) as error:
        raise RefusedError(str(error)) from None
    return _set([(owner, name), *(_aliases(found, owner) if isinstance(owner, ModuleType) else ())], ours)


def _found(module: Any, module_name: str, names: tuple[str, ...]) -> tuple[Any, str, Any]:
    """Walk along ``names``; give the last owner, the last name, and what stands there, descriptors as they are."""
    owner = module
    for depth, name in enumerate(names):
        is_last = depth == len(names) - 1
        found = _standing(owner, name)
        if found is ABSENT and not is_last and _is_module_to_come(owner, name):
            raise NotThereError(f"{owner.__name__}.{name} is not imported")
        if found is ABSENT:  # a module's own __getattr__, a method of a metaclass; bound to an object
            found = _attribute(owner, name)
        if found is ABSENT:
            raise NotThereError(f"{'.'.join((module_name, *names[:depth]))} has no attribute {name!r}")
        if is_last:
            return owner, name, found
        owner = _attribute(owner, name)
        if is_traced(owner):  # what is below is its own
            raise RefusedError(f"{'.'.join((module_name, *names[: depth + 1]))} is traced already")
    raise NotThereError(f"{module_name} is a module")


def _standing(owner: Any, name: str) -> Any:
    """Give what a module or a class has under ``name``, unbound; what is not its own, a metaclass has or an object."""
    places = type.mro(owner) if isinstance(owner, type) else [owner] if isinstance(owner, ModuleType) else []
    return next((vars(place)[name] for place in places if name in vars(place)), ABSENT)


def _is_module_to_come(package: Any, name: str) -> bool:
    """Tell whether ``name`` is a module that ``package`` has not imported: asking for the attribute might do it."""
    if not isinstance(package, ModuleType) or "__path__" not in vars(package):
        return False
    try:
        return find_spec(f"{package.__name__}.{name}") is not None
    except Exception:  # a finder of the host's
        return False


def _attribute(owner: Any, name: str) -> Any:
    """Give an attribute as the host sees it, by way of what code of the host's there may be."""
    try:
        return getattr(owner, name, ABSENT)
    except Exception as error:
        raise RefusedError(f"looking for its {name!r} raised {type(error).__name__}") from None


def _set(places: list[tuple[Any, str]], ours: Any) -> list[Patch]:
    made: list[Patch] = []
    for owner, name in places:
        before = _own(owner, name)
        try:
            setattr(owner, name, ours)
        except (AttributeError, TypeError) as error:
            undo(made)
            raise RefusedError(f"{name} of {name_of(owner)} cannot be set: {error}") from None
        made.append(Patch(owner, name, before, _own(owner, name)))
    return made


def name_of(owner: Any) -> str:
    """Name a module, a class, or of any other object its class."""
    if isinstance(owner, ModuleType):
        return owner.__name__
    return owner.__qualname__ if isinstance(owner, type) else type(owner).__qualname__


def undo(patches: list[Patch]) -> list[Patch]:
    """Set all back, the last first; give those where that cannot be done, or somebody else has set something since."""
    left = [patch for patch in reversed(patches) if not patch.undo()]
    for patch in patches:
        if isinstance(patch.owner, ModuleType) and patch.before is not ABSENT:
            for module, name in _aliases(patch.now, patch.owner):  # taken by `from x import f` since
                Patch(module, name, patch.before, patch.now).undo()
    return left


def is_task(found: Any) -> bool:
    """Tell a task object, such as Celery makes of a function, by what it can do."""
    try:
        return not isinstance(found, (FunctionType, type)) and all(
            callable(getattr(found, name, None)) for name in ("run", "delay", "apply_async")
        )
    except Exception:  # an object of the host's that raises something else than AttributeError
        return False


def is_early(found: Any) -> bool:
    """Tell a shared task of Celery's before there is an application, without looking at it: that would make one.

    The task that it gives then is of an application that no worker will ever use.
    """
    state = sys.modules.get("celery._state")
    return (
        (type(found).__module__, type(found).__name__) == ("celery.local", "Proxy")
        and getattr(state, "default_app", None) is None
        and getattr(getattr(state, "_tls", None), "current_app", None) is None
    )


def is_traced(found: Any) -> bool:
    """Tell whether a call of it is traced by us already."""
    if isinstance(found, (classmethod, staticmethod, MethodType)):
        found = found.__func__
    return isinstance(found, TracedCallable) or (
        isinstance(found, FunctionType) and found.__globals__ is vars(_wrapping) and hasattr(found, "__wrapped__")
    )


def _is_pythons_own(function: Any) -> bool:
    """Tell a function of the standard library, which the interpreter and we call by whatever name there is."""
    if not isinstance(function, (FunctionType, BuiltinFunctionType)):
        return False
    name = function.__module__ or ""
    file = getattr(sys.modules.get(name), "__file__", None)  # a module of the host's may have the name of one of those
    return name.partition(".")[0] in sys.stdlib_module_names and (file is None or file.startswith(_STANDARD_LIBRARY))


def router_of(function: Any) -> str | None:
    """Name the class of a router's object that holds ``function`` itself, if there is one."""
    if not callable(function) or ROUTERS.isdisjoint(sys.modules):
        return None
    return next(
        (
            f"{kind.__module__}.{kind.__qualname__}"
            for kind in _holding(function)
            if kind.__module__.split(".", 1)[0] in ROUTERS
        ),
        None,
    )


def _holding(thing: Any) -> Iterator[type]:
    """Give the classes of what holds ``thing``, directly or in plain containers.

    Modules, classes, other functions and frames only know it by a name. Who holds something is asked by looking at all
    objects there are: once for all containers of a level, for a host may have millions of objects.
    """
    held = [thing]
    for _ in range(_DEPTH + 1):
        holders = [
            holder
            for holder in gc.get_referrers(*held)
            if holder is not held and not isinstance(holder, (FrameType, CellType, ModuleType, FunctionType, type))
        ]
        yield from (type(holder) for holder in holders if type(holder).__module__ != "builtins")
        # Not in the dictionary of a module, or in the one that exec() ran in.
        held = [h for h in holders if type(h).__module__ == "builtins" and "__builtins__" not in _keys(h)]
        if not held or len(held) > _MOST_HOLDERS:
            return


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else ()


def _own(owner: Any, name: str) -> Any:
    """Give what ``owner`` itself has under ``name``, past descriptors and what it inherits."""
    try:
        return vars(owner).get(name, ABSENT)
    except TypeError:  # an object without a dictionary
        return getattr_static(owner, name, ABSENT)


def _aliases(found: Any, owner: ModuleType) -> list[tuple[ModuleType, str]]:
    """Find the names that other modules gave it by ``from x import f`` before now."""
    others = {id(module): module for module in list(sys.modules.values()) if module is not owner}  # some have two names
    return [
        (module, name)
        for module in others.values()
        if isinstance(module, ModuleType)
        for name, value in list(vars(module).items())
        if value is found
    ]
