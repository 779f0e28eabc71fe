"""Settings of a diagnosis: a task's own, changed by ``--set``, for each encoder; checked before anything runs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nlpkit import SettingError, nearest, registry
from nlpkit.model import HeadSettings
from nlpkit.training import ONE_WAY, check_component, descend, fill, parse_assignment

from nlpkit_diagnose.task import Settings, Task

ENCODER = "encoder"
EQUAL = {"hidden": 32, "dim": 32, "dropout": 0.0} | ONE_WAY  # options that an encoder starts from, if it has them


def settings_of(
    task: Task, encoders: Sequence[str], assignments: Iterable[str], data: Mapping[str, Any]
) -> dict[str, Settings]:
    """Make the settings for each encoder by its name.

    :param assignments: ``training.epochs=50``; ``encoder.hidden=64`` for all encoders that have the option,
        ``gru.hidden=64`` for one.
    :param data: of the table of that name, as options say it.
    :raises SettingError: for a name or a value that is wrong, saying what there is.
    """
    tables: dict[str, Any] = {part: copy.deepcopy(dict(table)) for part, table in task.tables.items()}
    tables |= {ENCODER: {name: _make_encoder(name) for name in encoders}, "data": dict(data)}
    for (*path, last), value in map(parse_assignment, assignments):
        for table in _find_tables([*task.tables, "data"], tables, path, last):
            table[last] = value
    return {name: _fill(task, {**tables, ENCODER: chosen}) for name, chosen in tables[ENCODER].items()}


def _make_encoder(name: str) -> dict[str, Any]:
    """Make an encoder as large as the others, that reads one way, without dropout: as far as it has such options."""
    known = registry().get(ENCODER, name).options()
    return {"name": name} | {option: value for option, value in EQUAL.items() if option in known}


def _find_tables(parts: Sequence[str], tables: dict[str, Any], path: Sequence[str], last: str) -> list[dict[str, Any]]:
    """Return the tables that an assignment changes."""
    encoders = tables[ENCODER]
    known = [ENCODER, *parts, *encoders]
    if not path:
        raise SettingError(
            "expected PART.NAME=VALUE such as training.epochs=50, found {last}=…; a PART is one of {known}",
            last=last,
            known=", ".join(known),
        )
    if path[0] in [ENCODER, *encoders] and len(path) > 1:
        said = ".".join([*path, last])
        raise SettingError(
            "{said} is no option of an encoder, which is said as {path}.hidden=64, for instance",
            said=said,
            path=path[0],
        )
    if path[0] in [ENCODER, *encoders] and last == "name":
        raise SettingError("an encoder is named by --encoder, not by {path}.name", path=path[0])
    if path[0] in encoders:
        return [encoders[path[0]]]
    if path[0] in parts:
        return [descend(tables, path)]
    if path[0] in registry().names(ENCODER):
        raise SettingError(
            "{path} is not tried: say --encoder {path}, or set something of {encoders}",
            path=path[0],
            encoders=", ".join(encoders),
        )
    if path[0] != ENCODER:
        raise SettingError(
            "there is nothing to set in {path!r}{there_is}", path=path[0], there_is=nearest(path[0], known)
        )
    having = [table for name, table in encoders.items() if last in registry().get(ENCODER, name).options()]
    if not having:
        options = sorted({option for name in encoders for option in registry().get(ENCODER, name).options()})
        raise SettingError(
            "none of the encoders has an option {last!r}{there_is}", last=last, there_is=nearest(last, options)
        )
    return having


def _fill(task: Task, tables: Mapping[str, Any]) -> Settings:
    for kind in (ENCODER, "embedding"):
        if kind in tables:
            check_component(kind, tables[kind], task.name)
    training = fill(task.training, tables["training"], "training")
    if getattr(training, "pretrain", 0):
        raise SettingError("training.pretrain makes a language model of texts, and here are none: leave it at 0")
    head = fill(HeadSettings, tables["head"], "head") if "head" in tables else None
    data = fill(task.data, tables["data"], "data")
    return Settings(copy.deepcopy(tables[ENCODER]), training, data, tables.get("embedding"), head)
