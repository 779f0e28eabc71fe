"""What may be set, read from annotations, and checked by them: options of factories, settings, options of commands.

>>> def vectors(*, dim: Size = 64, start: Literal["normal", "ppmi"] = "normal") -> None:
...     ":param dim: numbers in a vector."
>>> options_of(vectors)["dim"].help
'numbers in a vector.'
>>> find_fault(0, Size)
'must be at least 1, was: 0'
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from nlpkit.errors import Sentence, SettingError, join, nearest

_PARAM = re.compile(r":param (\w+): (.*?)(?=\n\s*:\w|\n\s*\n|\Z)", re.DOTALL)
_TYPE_NAMES = {
    int: Sentence("a whole number"),
    float: Sentence("a number"),
    bool: Sentence("true or false"),
    str: Sentence("a text"),
    Path: Sentence("a path"),
}


@dataclass(frozen=True)
class Range:
    """Between which numbers a value must be.

    :param low_open: the lowest itself is none of them.
    :param high_open: the highest itself is none of them.
    """

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    def find_fault(self, value: float) -> str | None:
        """Say what is wrong with a number, None if nothing is."""
        low = self.low is None or (value > self.low if self.low_open else value >= self.low)
        high = self.high is None or (value < self.high if self.high_open else value <= self.high)
        return None if low and high else Sentence("must {limits}, was: {value!r}", limits=self.describe(), value=value)

    def __str__(self) -> str:
        return str(self.describe())

    def describe(self) -> Sentence:
        """Say which numbers are in it, behind ``must``."""
        low, high = _spell(self.low), _spell(self.high)
        if self.low is not None and self.high is not None:
            opening, closing = "(" if self.low_open else "[", ")" if self.high_open else "]"
            return Sentence("be in {range}", range=f"{opening}{low}, {high}{closing}")
        if self.low is not None:
            if not self.low and not self.low_open:
                return Sentence("not be negative")
            return Sentence("be above {low}" if self.low_open else "be at least {low}", low=low)
        return Sentence("be below {high}" if self.high_open else "be at most {high}", high=high)


@dataclass(frozen=True)
class Pattern:
    """Says of a text that it is a regular expression, which whoever takes it from strangers had better look at."""


def _spell(number: float | None) -> str:
    return "" if number is None else str(number) if isinstance(number, int) else f"{number:g}"


Size: TypeAlias = Annotated[int, Range(1)]
Count: TypeAlias = Annotated[int, Range(0)]
Share: TypeAlias = Annotated[float, Range(0, 1, high_open=True)]
Weight: TypeAlias = Annotated[float, Range(0)]
Positive: TypeAlias = Annotated[float, Range(0, low_open=True)]


@dataclass(frozen=True)
class Option:
    """Something that can be set.

    :param annotation: a string, where it names what cannot be found: then any value passes.
    :param default: ``...`` where there is none.
    """

    name: str
    annotation: Any
    default: Any = ...
    help: str = ""

    def find_fault(self, value: object) -> str | None:
        """Say what is wrong with a value, None if nothing is; its own default may be whatever it is."""
        if type(value) is type(self.default) and value == self.default:
            return None
        return find_fault(value, self.annotation)


def options_of(target: Callable[..., Any]) -> dict[str, Option]:
    """Return the fields of a dataclass or the keyword-only parameters of a function, by their names."""
    if dataclasses.is_dataclass(target):
        # a subclass may say anew what its base says: nearest last
        docs = [base.__doc__ or "" for base in reversed(inspect.getmro(target))]
        fields = [(f.name, f.type, _default_of(f), _home_of(f, target)) for f in dataclasses.fields(target)]
    else:
        docs, home = [target.__doc__ or ""], _names_of(inspect.unwrap(target))
        parameters = inspect.signature(target).parameters.values()
        options = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        fields = [(p.name, p.annotation, ... if p.default is p.empty else p.default, home) for p in options]
    helps = {name: " ".join(text.split()) for doc in docs for name, text in _PARAM.findall(doc)}
    return {
        name: Option(name, _resolve(annotation, names), default, helps.get(name, ""))
        for name, annotation, default, names in fields
    }


def check(what: str, options: Mapping[str, Option], values: Mapping[str, Any]) -> None:
    """Refuse options that are not there, and values that they do not take.

    :param what: has these options, to begin a sentence with.
    :raises SettingError: saying what there is, or what is wanted.
    """
    for name, value in values.items():
        if name not in options:
            raise SettingError(
                "{what} has no option {name!r}{there_is}", what=what, name=name, there_is=nearest(name, options)
            )
        if fault := options[name].find_fault(value):
            raise SettingError("{what}: {name} {fault}", what=what, name=name, fault=fault)


def find_fault(value: object, annotation: Any) -> str | None:
    """Say what is wrong with a value by an annotation, to go on from its name; None if it fits, or nobody can tell."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [limit for limit in inside[1:] if isinstance(limit, Range)]
        faults = [find_fault(value, inside[0])]
        faults += [limit.find_fault(value) for limit in limits if isinstance(value, int | float)]
        return next((fault for fault in faults if fault), None)
    if origin in (Union, types.UnionType):
        return _find_fault_in_union(value, annotation)
    if origin is Literal:
        fits = any(value == one and type(value) is type(one) for one in inside)
        there_is = nearest(str(value), map(str, inside))
        return None if fits else Sentence("cannot be {value!r}{there_is}", value=value, there_is=there_is)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _find_fault_inside(
            value, annotation, list(value) if isinstance(value, list | tuple) else None, inside[:1]
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _find_fault_inside(
            value, annotation, list(value.values()) if isinstance(value, Mapping) else None, inside[1:]
        )
    return None if _is_of_type(value, annotation) else _describe_mismatch(value, annotation)


def _find_fault_in_union(value: object, annotation: Any) -> str | None:
    """Say what is wrong with a value that may be of several types: its size, where one of them is right."""
    faults = {kind: find_fault(value, kind) for kind in get_args(annotation)}
    if None in faults.values():
        return None
    others = [fault for kind, fault in faults.items() if fault and kind is not type(None)]
    sizes = [fault for fault in others if fault.startswith("must")]
    if sizes:  # what else may stand there is said, too
        also = [f"{one!r} or" for kind in faults if get_origin(kind) is Literal for one in get_args(kind)]
        return sizes[0].replace("must be", " ".join(["must be", *also]), 1)
    return others[0] if len(others) == 1 else _describe_mismatch(value, annotation)


def _find_fault_inside(value: object, annotation: Any, items: list[Any] | None, inside: tuple[Any, ...]) -> str | None:
    """Say what is wrong with a list or a table, or with the first of what it holds."""
    faults = ["wants"] if items is None else [find_fault(item, kind) for kind in inside for item in items]
    fault = next((fault for fault in faults if fault), None)
    return _describe_mismatch(value, annotation) if fault and fault.startswith("wants") else fault


def _is_of_type(value: object, kind: Any) -> bool:
    if kind is None or kind is type(None):
        return value is None
    if kind is float:
        return (isinstance(value, float) and math.isfinite(value)) or _is_of_type(value, int)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is Path:
        return isinstance(value, str | Path)
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


def _describe_mismatch(value: object, annotation: Any) -> str:
    return Sentence("wants {kind}, found {value!r}", kind=_describe_type(annotation), value=value)


def _describe_type(annotation: Any) -> str:
    """Say a type as TOML calls it."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _describe_type(inside[0])
    if origin in (Union, types.UnionType):
        return join(dict.fromkeys(_describe_type(one) for one in inside if one is not type(None)), " or ")
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        if inside[:1] == (str,):
            return Sentence("a list of texts")
        return Sentence("a list of numbers") if inside else Sentence("a list")
    if isinstance(origin, type) and issubclass(origin, Mapping) and inside[1] is not Any:
        return Sentence("a table in which every value is {kind}", kind=_describe_type(inside[1]))
    return _TYPE_NAMES.get(annotation, Sentence("a table"))


def describe_type(annotation: Any) -> str:
    """Say what values an annotation admits: ``a whole number, at least 1``.

    >>> describe_type(Size | Literal["all"] | None)
    "a whole number, at least 1, or 'all' or nothing"
    """
    origin, inside = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, str):  # it names what cannot be found
        return annotation
    if annotation is Any:
        return "anything"
    if annotation is type(None):
        return "nothing"
    if origin is Annotated:
        limits = [str(limit).removeprefix("be ") for limit in inside[1:] if isinstance(limit, Range)]
        return ", ".join([describe_type(inside[0]), *(limit.replace("not be", "not", 1) for limit in limits)])
    if origin in (Union, types.UnionType):
        kinds = [describe_type(one) for one in inside]
        return "".join(f"{kind}{', or ' if ',' in kind else ' or '}" for kind in kinds[:-1]) + kinds[-1]
    return _describe_type(annotation)


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return ... if field.default is dataclasses.MISSING else field.default


def _home_of(field: dataclasses.Field[Any], kind: Any) -> Mapping[str, Any]:
    """Return what can be named where a field stands."""
    owner = next(base for base in inspect.getmro(kind) if field.name in vars(base).get("__annotations__", {}))
    return _names_of(owner)


def _names_of(target: Any) -> Mapping[str, Any]:
    names = getattr(target, "__globals__", None)
    return names if names is not None else vars(sys.modules.get(getattr(target, "__module__", ""), types))


def _resolve(annotation: Any, names: Mapping[str, Any]) -> Any:
    """Return what an annotation names that is a string, as under ``from __future__ import annotations``."""
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(names))
    except Exception:  # it may name what is there for type checkers only
        return annotation
