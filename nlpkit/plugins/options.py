"""PLACEHOLDER until the plugins room is merged."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from nlpkit.errors import nearest


@dataclass(frozen=True)
class Range:
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False


Size = Annotated[int, Range(1)]
Count = Annotated[int, Range(0)]
Share = Annotated[float, Range(0, 1, high_open=True)]
Weight = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, low_open=True)]


def fault(value: Any, wanted: Any) -> str | None:
    origin, args = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        if found := fault(value, args[0]):
            return found
        for r in args[1:]:
            if isinstance(r, Range):
                low = r.low is None or (value > r.low if r.low_open else value >= r.low)
                high = r.high is None or (value < r.high if r.high_open else value <= r.high)
                if not (low and high):
                    if r.high is None:
                        return f"must be {'above' if r.low_open else 'at least'} {r.low:g}, was: {value}"
                    return f"must be in {'(' if r.low_open else '['}{r.low:g}, {r.high:g}{')' if r.high_open else ']'}, was: {value}"
        return None
    if origin is Literal:
        return (
            None
            if value in args and type(value) in map(type, args)
            else f"cannot be {value!r}{nearest(str(value), map(str, args))}"
        )
    if origin in (Union, types.UnionType):
        found = [fault(value, a) for a in args]
        return None if None in found else found[0]
    if wanted is float:
        return (
            None
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            else f"wants a number, found {value!r}"
        )
    if wanted is int:
        return (
            None if isinstance(value, int) and not isinstance(value, bool) else f"wants a whole number, found {value!r}"
        )
    if wanted is bool:
        return None if isinstance(value, bool) else f"wants true or false, found {value!r}"
    if wanted is str:
        return None if isinstance(value, str) else f"wants a text, found {value!r}"
    if wanted is type(None):
        return None if value is None else "x"
    if wanted is Any:
        return None
    if origin is tuple or origin is Sequence:
        return (
            None
            if isinstance(value, list | tuple) and not any(fault(v, args[0]) for v in value)
            else f"wants a list of numbers, found {value!r}"
        )
    if origin is not None and issubclass(origin, Mapping):
        inside = args[1]
        return (
            None
            if isinstance(value, Mapping) and not any(fault(v, inside) for v in value.values())
            else f"wants a table, found {value!r}"
        )
    return None if isinstance(value, wanted) else f"wants a table, found {value!r}"


def positive(**s):
    for name, size in s.items():
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"{name} must be a whole number, was: {size!r}")
        if size < 1:
            raise ValueError(f"{name} must be at least 1, was: {size}")


def natural(**s):
    for name, size in s.items():
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"{name} must be a whole number, was: {size!r}")
        if size < 0:
            raise ValueError(f"{name} must not be negative, was: {size}")


def weight(**v):
    for n, x in v.items():
        if not isinstance(x, int | float) or isinstance(x, bool) or not 0 <= x < math.inf:
            raise ValueError(f"{n} must be a number that is not negative, was: {x!r}")


def probability(**v):
    for n, x in v.items():
        if not isinstance(x, int | float) or isinstance(x, bool) or not 0 <= x < 1:
            raise ValueError(f"{n} must be in [0, 1), was: {x!r}")


def switch(**v):
    for n, x in v.items():
        if not isinstance(x, bool):
            raise TypeError(f"{n} must be true or false, was: {x!r}")


def one_of(known, **v):
    for n, x in v.items():
        if x not in known:
            raise ValueError(f"there is no {n} {x!r}{nearest(str(x), known)}")


@dataclass(frozen=True)
class Option:
    name: str
    annotation: Any
    default: Any
    help: str = ""


def options_of(target: Any) -> dict[str, Option]:
    import re

    hints = get_type_hints(target, include_extras=True)
    doc = inspect.getdoc(target) or ""
    helps = {m[1]: " ".join(m[2].split()) for m in re.finditer(r":param (\w+): (.*?)(?=\n\s*:|\Z)", doc, re.S)}
    out = {}
    for f in fields(target):
        default = (
            f.default
            if f.default is not MISSING
            else (f.default_factory() if f.default_factory is not MISSING else ...)
        )
        out[f.name] = Option(f.name, hints[f.name], default, helps.get(f.name, ""))
    return out
