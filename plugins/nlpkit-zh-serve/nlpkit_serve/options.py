"""The options of a verb as fields of a request: as the shell has them, but for what a stranger must not say."""

from __future__ import annotations

import re
import types
from collections import ChainMap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from nlpkit import SettingError
from nlpkit.plugins import Pattern, Range, find_fault, options_of
from nlpkit.tasks import Verb
from nlpkit.text import parse_json

from nlpkit_serve.settings import Settings

MOST_DIGITS = 40  # of a number in an address
REPEATED = re.compile(r"[*+?{]")
REPEATED_GROUP = re.compile(r"\)[*+?{]")
MOST_REPEATED = 4  # of which none is within another: trying all ways through a word then takes no time
PLAIN: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def describe_options(verb: Verb, settings: Settings) -> dict[str, dict[str, Any]]:
    """Return a JSON Schema of each option that a request may say, by its name."""
    schemas = {}
    for option in options_of(verb.options).values() if verb.options else ():
        if not _names_file(option.annotation):
            default = {} if option.default is ... else {"default": option.default}
            schemas[option.name] = {**schema_of(option.annotation, settings), **default, "description": option.help}
    return schemas


def read_numbers(verb: Verb, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options, with whole numbers that were written as 1.0 as what they are: JSON knows one kind of numbers."""
    options = options_of(verb.options) if verb.options and any(isinstance(v, float) for v in values.values()) else {}
    return {
        name: int(value) if name in options and _is_meant_whole(value, options[name].annotation) else value
        for name, value in values.items()
    }


def _is_meant_whole(value: Any, annotation: Any) -> bool:
    return (
        isinstance(value, float)
        and value.is_integer()
        and find_fault(value, annotation) is not None
        and find_fault(int(value), annotation) is None
    )


def check_options(verb: Verb, values: Mapping[str, Any], settings: Settings) -> None:
    """Refuse what nobody may say from afar: files of this machine, and what would keep it busy for very long.

    All else is checked as the shell checks it, where the verb is opened.

    :raises SettingError: saying what to do.
    """
    options = options_of(verb.options) if verb.options else {}
    for name in values.keys() & options.keys():
        annotation, value = options[name].annotation, values[name]
        if _names_file(annotation):
            raise SettingError("{name} is a file, and no request opens one: leave it out", name=name)
        if isinstance(value, int | float) and not _has_most(annotation) and not value <= settings.max_number:
            raise SettingError(
                "{name} must be at most {most:,} on this server, was: {value!r:.40}",
                name=name,
                most=settings.max_number,
                value=value,
            )
        if isinstance(value, str) and len(value) > settings.max_characters:
            raise SettingError(
                "{name} has {found:,} characters, {most:,} are the most on this server",
                name=name,
                found=len(value),
                most=settings.max_characters,
            )
        if isinstance(value, str) and _is_marked(annotation, Pattern) and _lasts(value):
            raise SettingError(
                "{name} repeats a group, or has more than {most} of * + ? {{: it might keep this server busy for ever",
                name=name,
                most=MOST_REPEATED,
            )


def read_options(verb: Verb, said: Mapping[str, str]) -> dict[str, Any]:
    """Return options that came as texts, in an address: ``min_probability=0.8``."""
    options = options_of(verb.options) if verb.options else {}
    return {name: _read_value(options.get(name), text) for name, text in said.items()}


def _read_value(option: Any, text: str) -> Any:
    """Return a text as it is, where a text is wanted; else as what it is in JSON."""
    if option is None or find_fault(text, option.annotation) is None:
        return text
    value = parse_json(text[:MOST_DIGITS])
    return text if value is None else value


def schema_of(annotation: Any, settings: Settings) -> dict[str, Any]:
    """Return what values an annotation admits, as a JSON Schema."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [_schema_of_range(limit) for limit in inside[1:] if isinstance(limit, Range)]
        form = {"format": "regex"} if any(isinstance(one, Pattern) for one in inside[1:]) else {}
        return dict(ChainMap(*limits, form, schema_of(inside[0], settings)))
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(one, settings) for one in inside]}
    if origin is Literal:
        return {"enum": list(inside)}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return {"type": "array", "items": schema_of(inside[0], settings) if inside else {}}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object"}
    more = {int: {"maximum": settings.max_number}, float: {"maximum": settings.max_number}}
    more |= {str: {"maxLength": settings.max_characters}}
    return {"type": PLAIN[annotation], **more.get(annotation, {})} if annotation in PLAIN else {}


def _schema_of_range(limit: Range) -> dict[str, float]:
    low = {} if limit.low is None else {"exclusiveMinimum" if limit.low_open else "minimum": limit.low}
    high = {} if limit.high is None else {"exclusiveMaximum" if limit.high_open else "maximum": limit.high}
    return low | high


def _names_file(annotation: Any) -> bool:
    """Tell whether a value may be a path."""
    inside = [one for one in get_args(annotation) if get_origin(annotation) is not Literal]
    return annotation is Path or any(map(_names_file, inside))


def _lasts(pattern: str) -> bool:
    """Tell whether a regular expression may go through a short word in very many ways."""
    return bool(REPEATED_GROUP.search(pattern)) or len(REPEATED.findall(pattern)) > MOST_REPEATED


def _is_marked(annotation: Any, mark: type[Any]) -> bool:
    inside = get_args(annotation)
    return any(isinstance(one, mark) or _is_marked(one, mark) for one in inside)


def _has_most(annotation: Any) -> bool:
    """Tell whether an option says itself how large a number may be."""
    own = any(isinstance(one, Range) and one.high is not None for one in get_args(annotation))
    return own or any(_has_most(one) for one in get_args(annotation) if not isinstance(one, Range))
