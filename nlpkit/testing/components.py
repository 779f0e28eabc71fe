"""Checks that hold of tokenizers, embeddings, encoders and output embeddings alike."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from nlpkit.errors import MissingExtra, NlpkitError, PluginError
from nlpkit.plugins.base import find_misspelt
from nlpkit.plugins.options import Option
from nlpkit.testing.discovery import Subject
from nlpkit.testing.kit import CheckError, describe

CLASSES = {"config": dict, "files": dict, "dim": int, "output_dim": int, "causal": bool}
INPUT_DIM = 64  # a multiple of every usual number of heads
WRONG: dict[type, tuple[Any, ...]] = {  # by the class of an option's default, what is none of its values
    bool: ("perhaps",),
    int: ("many", [1]),
    float: ("many", [1.0]),
    str: (7,),
    list: (7,),
    tuple: (7,),
    dict: (7,),
}
ODD: dict[type, tuple[Any, ...]] = {int: (0, -1), float: (-1.0, float("nan"))}  # may be values, may be wrong


def arguments_of(subject: Subject) -> dict[str, Any]:
    """Return what the factory of a component of this kind is given besides options."""
    return {"input_dim": INPUT_DIM} if subject.kind == "encoder" else {}


def made(subject: Subject) -> None:
    """Call the factory with the options: it makes an object of the protocol."""
    part = _create(subject)
    for name, kind in CLASSES.items():
        if hasattr(part, name) and not isinstance(getattr(part, name), kind):
            raise CheckError(f"its {name} is {getattr(part, name)!r}: expected a {kind.__name__}, see the protocol")
    for name, meant in find_misspelt(part):
        raise CheckError(f"it has {name!r}, which means nothing to nlpkit: call it {meant!r}, or something else")
    if subject.kind in ("embedding", "encoder"):
        from torch import nn

        if not isinstance(part, nn.Module):
            raise CheckError(f"it is a {type(part).__name__}, which is no torch.nn.Module: inherit from that")


def options(subject: Subject) -> None:
    """See that each option has a default, and refuses what it cannot use."""
    _make(subject)
    for option in subject.component.options().values():
        if option.default is ...:
            raise CheckError(f"its option {option.name!r} has no default: give it one")
        if not isinstance(option.default, str | int | float | list | tuple | dict | None):
            raise CheckError(f"the default of {option.name!r} is {option.default!r}, which JSON cannot hold")
        _try_values(subject, option)


def config(subject: Subject) -> None:
    """See that ``config`` goes through JSON and names no path, and that the factory makes an equal component of it."""
    check_config(subject, _make(subject))


def check_config(subject: Subject, part: Any) -> None:
    """Check ``config`` as `config` does, of an instance."""
    stored = _to_json(part.config)
    unknown = sorted(set(stored) - set(subject.component.options()))
    if unknown:
        raise CheckError(
            f"config holds {unknown[0]!r}, which is no option of its factory: leave it out, or add the option"
        )
    for name, text in _list_strings(stored):
        if _is_path(text, subject.options.get(name)):
            raise CheckError(f"config[{name!r}] is the path {text!r}: a saved model must not need it, so leave it out")
    again = subject.remake(stored, **arguments_of(subject), **files_of(subject, part))
    if again.config != part.config:
        name = next(n for n in {**part.config, **again.config} if again.config.get(n, ...) != part.config.get(n, ...))
        raise CheckError(
            f"rebuilt from its config it has {name}={again.config.get(name, '(nothing)')!r}, not "
            f"{part.config.get(name, '(nothing)')!r}: let config hold the factory's own options"
        )


def files_of(subject: Subject, part: Any) -> dict[str, Any]:
    """Return what a tokenizer keeps in files, as its factory is given it."""
    return {"files": dict(part.files)} if subject.kind == "tokenizer" and subject.component.takes_files else {}


def _make(subject: Subject) -> Any:
    return subject.tokenizer if subject.kind == "tokenizer" else subject.make(**arguments_of(subject))


def _create(subject: Subject) -> Any:
    try:
        return subject.component.create(subject.options, **arguments_of(subject))
    except MissingExtra:
        raise
    except NlpkitError as error:
        options = json.dumps(subject.options, ensure_ascii=False, default=str) if subject.options else "no options"
        raise CheckError(
            f"its factory called with {options} failed: {error}; give what it needs by "
            f"--set {subject.name}.OPTION=VALUE, or in tests by the fixture nlpkit_options"
        ) from error


def _try_values(subject: Subject, option: Option) -> None:
    """Give it what its annotation lets through, or what is none of its default's class where it has no annotation."""
    kind = type(option.default)
    wrong = WRONG.get(kind, ()) if option.annotation is Any else ()
    for value in (*wrong, *(odd for odd in ODD.get(kind, ()) if not option.find_fault(odd))):
        try:
            subject.component.create({**subject.options, option.name: value}, **arguments_of(subject))
        except PluginError as error:
            raise CheckError(
                f"{option.name}={value!r} ends in {describe(error.__cause__ or error)}: annotate it by what it takes, "
                "or raise ValueError, saying what is right"
            ) from error
        except NlpkitError:
            continue
        if value in wrong:
            raise CheckError(
                f"{option.name}={value!r} is taken, though its default is {option.default!r}: annotate it by what it "
                "takes, or raise ValueError"
            )


def _to_json(config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads(json.dumps(config, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CheckError(
            f"config is not JSON ({error}): let it hold numbers, strings, lists, true, false, null"
        ) from error
    if stored != config:
        name = next(name for name in config if stored.get(name, ...) != config[name])
        raise CheckError(
            f"config[{name!r}] is {config[name]!r}, which JSON turns into {stored.get(name)!r}: make it that"
        )
    return stored


def _list_strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Return every string in a config, with the option that it stands under."""
    if isinstance(value, str):
        yield name, value
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _list_strings(item, name or str(key))


def _is_path(text: str, option: Any) -> bool:
    """Whether a string of a config is a path, or the very option that led to a file."""
    if not text.strip("/\\~. "):  # a separator or a mark, more likely than a folder
        return False
    if Path(text).is_absolute() or PureWindowsPath(text).is_absolute() or text.startswith(("~/", "~\\")):
        return True
    exists = os.path.exists(text)  # noqa: PTH110 - Path's own raises for what could be no path
    return exists and (text == option or "/" in text or "\\" in text)
