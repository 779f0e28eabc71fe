"""Models that are served, by the names that requests call them by."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nlpkit
from nlpkit import NlpkitError, SettingError
from nlpkit.commands import FileAnswerer, TextAnswerer
from nlpkit.model import find
from nlpkit.tasks import Task, Verb

from nlpkit_serve.options import check_options, describe_options
from nlpkit_serve.settings import Settings

EXAMPLES = ("text", "prompt")  # what a model's samples call their texts
MOST_KEPT = 64  # answerers of a model: one for each way of asking
Tell = Callable[..., None]


class OpenModel:
    """A model as it was when it was opened.

    :param name: that requests say.
    :param place: its name or folder.
    """

    def __init__(self, name: str, place: str, settings: Settings) -> None:
        self.name, self.place, self._settings = name, place, settings
        self.saved = nlpkit.load(place)
        self.task: Task = nlpkit.registry().get("task", self.saved.bundle.config["task"]).factory
        self.verbs = {verb.name: verb for verb in self.task.verbs if verb.method}
        self.fingerprint = self.saved.bundle.fingerprint
        self.version = f"{name} {self.fingerprint[:12]}"
        self._kept: OrderedDict[tuple[str, str], TextAnswerer] = OrderedDict()
        self._lock = threading.Lock()

    def find_answerer(self, verb: Verb, options: Mapping[str, Any]) -> TextAnswerer | None:
        """Return what has been opened by `answerer`, if it is still there."""
        key = _key_of(verb, options)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def answerer(self, verb: Verb, options: Mapping[str, Any]) -> TextAnswerer:
        """Return what answers texts; where answers are numbered, or drawn, one that nobody else has.

        :raises SettingError: for options that are not there, or that a request may not say.
        """
        check_options(verb, options, self._settings)
        if kept := self.find_answerer(verb, options):
            return kept
        opened = TextAnswerer(FileAnswerer(self.saved, "jsonl", verb=verb.name, options=options))
        if not verb.stream:
            with self._lock:
                self._kept[_key_of(verb, options)] = opened
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        return opened

    def file_answerer(self, verb: Verb, kind: str, options: Mapping[str, Any], **more: Any) -> FileAnswerer:
        """Return what answers files; errors are those of `answerer`."""
        check_options(verb, options, self._settings)
        return FileAnswerer(self.saved, kind, verb=verb.name, options=options, **more)

    def labels(self) -> list[str] | None:
        """Return the labels of its answers, None if they have none."""
        labelled = next((verb for verb in self.verbs.values() if verb.labelled), None)
        return list(self.answerer(labelled, {}).form.labels) if labelled else None

    def examples(self) -> list[str]:
        """Return texts that its samples were made of."""
        samples: Iterable[Mapping[str, Any]] = self.saved.bundle.read_json("samples.json")
        texts = [sample[key] for sample in samples for key in EXAMPLES if isinstance(sample.get(key), str)]
        return [text for text in texts if text][:2] or ["好"]

    def describe(self, *, default: bool) -> dict[str, Any]:
        """Return what clients are told of it."""
        verbs = [
            {
                "name": verb.name,
                "path": f"/v1/models/{self.name}/{verb.name}",
                "about": summary_of(verb.about),
                "options": {"type": "object", "properties": describe_options(verb, self._settings)},
                "labelled": verb.labelled,
                "streams": bool(verb.stream),
            }
            for verb in self.verbs.values()
        ]
        return {
            "name": self.name,
            "task": self.task.name,
            "about": summary_of(self.task.about),
            "labels": self.labels(),
            "default": default,
            "verbs": verbs,
        }


class ServedModel:
    """A model that is served: another takes its place when its folder was replaced.

    :raises NlpkitError: if it cannot be opened.
    """

    def __init__(self, name: str, place: str, settings: Settings) -> None:
        self._settings = settings
        self.current = OpenModel(name, place, settings)
        self.ready, self.faults = False, list[str]()
        self.fault: str | None = None  # of what would have taken its place
        self._refused: str | None = None

    @property
    def name(self) -> str:
        """What requests call it."""
        return self.current.name

    def check(self) -> None:
        """See whether it answers its samples as when it was saved."""
        self.faults = _check(self.current)
        self.ready = not self.faults

    def renew(self) -> str | None:
        """Open what has taken its place, if something has.

        :returns: the fingerprint of the new model; None if it is the same.
        :raises NlpkitError: if the new one cannot be used; the old one then answers on. It is said once.
        """
        found = find(self.current.place).fingerprint
        if found in (self.current.fingerprint, self._refused):
            self.fault = self.fault if found == self._refused else None
            return None
        try:
            self.current = self._open_next()
        except NlpkitError:
            self._refused = found
            raise
        self.ready, self.faults, self.fault = True, [], None
        return self.current.fingerprint

    def _open_next(self) -> OpenModel:
        new = OpenModel(self.name, self.current.place, self._settings)
        if new.verbs.keys() != self.current.verbs.keys() or new.task.name != self.current.task.name:
            raise SettingError(
                "{place} is a model for {task} now: start the server anew", place=new.place, task=new.task.name
            )
        if faults := _check(new):
            raise SettingError("{place}, as it is now, is not served: {fault}", place=new.place, fault=faults[0])
        return new


def open_models(settings: Settings) -> dict[str, ServedModel]:
    """Open all models that a server was told to serve, by their names; the first is the default one.

    :raises SettingError: if two have one name.
    :raises NlpkitError: if one cannot be opened.
    """
    served: dict[str, ServedModel] = {}
    for said in settings.models:
        name, place = read_name(said)
        if name in served:
            raise SettingError(
                "two models would be called {name!r}: say OTHER={place} for one of them", name=name, place=place
            )
        served[name] = ServedModel(name, place, settings)
    return served


def read_name(said: str) -> tuple[str, str]:
    """Return what a model is called, and its name or folder, of ``NAME=FOLDER``, or either.

    :raises SettingError: for a name that no address could hold.
    """
    name, equals, place = said.partition("=")
    if not equals or Path(said).is_dir():
        name, place = Path(said).resolve().name if Path(said).is_dir() else said, said
    if not name or not name.replace("-", "a").replace("_", "a").replace(".", "a").isalnum() or name.startswith("."):
        raise SettingError(
            "a model cannot be called {name!r:.80} in an address: say NAME={place}, of letters and digits",
            name=name,
            place=place,
        )
    return name, str(Path(place).absolute()) if Path(place).is_dir() else place


def summary_of(about: str) -> str:
    """Return the first sentence of a help, without what it shows."""
    first: Sequence[str] = about.strip().split("\n\n")
    return " ".join(first[0].split())


def _key_of(verb: Verb, options: Mapping[str, Any]) -> tuple[str, str]:
    return verb.name, json.dumps(options, sort_keys=True)


def _check(model: OpenModel) -> list[str]:
    try:
        return model.saved.check()
    except NlpkitError as error:
        return [str(error)]
