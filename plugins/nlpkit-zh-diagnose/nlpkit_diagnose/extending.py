"""A finished diagnosis that is gone on with: by more seeds, more encoders, more lengths; what is there is taken."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from nlpkit import DataError, SettingError
from nlpkit.training import Epoch

from nlpkit_diagnose.diagnosis import Ended
from nlpkit_diagnose.networks import load_networks
from nlpkit_diagnose.report import Diagnosis
from nlpkit_diagnose.task import FIGURES, HISTORY, NETWORKS, Result

CONDITIONS = "data.lengths"  # says which trials there are, not what each is


def read_finished(folder: Path, wanted: Diagnosis) -> tuple[dict[str, Ended], dict[str, Any]]:
    """Read the trials of a finished diagnosis by their names, and its settings by encoder; none, if there is none.

    :param wanted: what is asked for, without results.
    :raises DataError: if it is damaged.
    :raises SettingError: if it is of something else, or by another version, naming the differences.
    """
    path = folder / FIGURES
    if not path.exists():
        return {}, {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if differences := list(_list_differences(found, wanted)):
            raise SettingError(
                "{folder} holds a diagnosis of something else: {differences}: choose another folder, or --force",
                folder=folder,
                differences="; ".join(differences),
            )
        results = [_restore(trial) for trial in found["trials"]]
        histories = _read_histories(folder / HISTORY)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError("{path} cannot be read: {reason}", path=error.filename or path, reason=reason) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("{folder} is damaged ({error}): begin anew by --force", folder=folder, error=error) from error
    networks = load_networks(folder / NETWORKS) if (folder / NETWORKS).exists() else {}
    ended = {
        result.name: Ended(result, histories.get(result.name, []), networks.get(result.name)) for result in results
    }
    return ended, found["settings"]


def _list_differences(found: Mapping[str, Any], wanted: Diagnosis) -> Iterator[str]:
    """Yield what of a diagnosis is other than what is asked for."""
    now = json.loads(wanted.document())
    for name in ("task", "nlpkit", "nlpkit-zh-diagnose"):
        if found[name] != now[name]:
            yield f"{name} was {found[name]}, is {now[name]}"
    if sorted(found["files"].values()) != sorted(now["files"].values()):
        yield "the file has changed or is another"
    if found.get("facts", {}) != now["facts"]:
        yield f"{json.dumps(found.get('facts', {}), ensure_ascii=False)} was asked for, not {now['facts']}"
    for encoder in found["settings"].keys() & now["settings"].keys():
        then, asked = (dict(_flatten(settings[encoder])) for settings in (found["settings"], now["settings"]))
        for name in sorted(then.keys() | asked.keys()):
            if name != CONDITIONS and then.get(name) != asked.get(name):
                yield f"{encoder}: {name} was {json.dumps(then.get(name))}, is {json.dumps(asked.get(name))}"


def _flatten(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flatten(inner, f"{place}.{name}" if place else name)
    else:
        yield place, value


def _restore(trial: Mapping[str, Any]) -> Result:
    """Make a result again; null stands for what was no number."""
    figures = {name: _to_number(value) for name, value in trial["figures"].items()}
    curves = {name: [_to_number(value) for value in values] for name, values in trial["curves"].items()}
    return Result(**{**trial, "figures": figures, "curves": curves})


def _to_number(value: float | None) -> float:
    return math.nan if value is None else value


def _read_histories(path: Path) -> dict[str, list[Epoch]]:
    """Read the epochs of each trial, which stand there with fewer digits."""
    kinds = {field.name: field.type for field in fields(Epoch)}
    found: dict[str, list[Epoch]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = row.pop("run")
            values = {column: _parse_cell(cell, str(kinds[column])) for column, cell in row.items()}
            found.setdefault(name, []).append(Epoch(**values))
    return found


def _parse_cell(cell: str, kind: str) -> Any:
    if not cell:
        return None
    if kind == "bool":
        return cell in ("True", "true", "1")
    return int(cell) if kind == "int" else float(cell)


def keep_others(finished: Mapping[str, Ended], asked: Diagnosis, others: Mapping[str, Any]) -> Diagnosis:
    """Return a diagnosis that has the trials of a finished one beside those that were asked for, these last.

    :param others: settings of the finished one, by encoder, as JSON.
    """
    kept = {name: ended for name, ended in finished.items() if name not in asked.histories}
    networks = {name: ended.network for name, ended in kept.items() if ended.network is not None}
    return replace(
        asked,
        results=[*(ended.result for ended in kept.values()), *asked.results],
        histories={**{name: ended.history for name, ended in kept.items()}, **asked.histories},
        networks={**networks, **asked.networks},
        others=others,
    )
