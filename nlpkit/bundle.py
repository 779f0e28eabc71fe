"""The saved folder of a model: written whole or not at all, read lazily, checked.

my-model/
  config.json      format, task, labels, normalisation, members and how they are mixed, where it all came from
  evidence.json    sentiment: the characters and words that count as evidence
  answers.json     cloze: the words that it can say, most frequent first, and how often each was seen
  tokenizer/...    cloze: the files of the tokenizer that all members share
  vocabulary.json  generate: the characters that all members know
  samples.json     inputs with the outputs expected of them: the folder tests itself
  README.md        the model card
  history.csv      the epochs of the run that made it, and curve.png, their picture
  MEMBER/          one folder a member
    vocabulary.json
    model.onnx            what inference executes, or
    arrays.safetensors    the same for a member that is linear in its tokens; tables of counts; codes of words
    model.safetensors     the weights as trained; may be left out
    tokenizer/...         the tokenizer's files
"""

from __future__ import annotations

import glob
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, cast

from nlpkit.errors import BundleError, NlpkitError, nearest
from nlpkit.registry import registry
from nlpkit.writing import write_synced

FORMAT = 1
CONFIG, EVIDENCE, SAMPLES, CARD = "config.json", "evidence.json", "samples.json", "README.md"
VOCABULARY, GRAPH, ARRAYS, WEIGHTS = "vocabulary.json", "model.onnx", "arrays.safetensors", "model.safetensors"
ANSWERS, TOKENIZER = "answers.json", "tokenizer"
HISTORY, CURVE = "history.csv", "curve.png"  # of the run that made it
OWN = (CONFIG, EVIDENCE, ANSWERS, VOCABULARY, SAMPLES, CARD, HISTORY, CURVE)


class Bundle:
    """A model's files, in a folder or in memory.

    :param name: what to call it in errors.
    :param files: contents by path relative to the folder, with forward slashes.
    """

    def __init__(self, name: str, files: Mapping[str, bytes]) -> None:
        self.name = name
        self.files = files

    @classmethod
    def open(cls, folder: str | Path) -> Bundle:
        """Open a saved folder; files are read when first needed.

        :raises BundleError: if it is no model, or of a newer format.
        """
        folder = Path(folder)
        if not folder.exists() and (_moved_aside(folder) / CONFIG).is_file():
            folder = _moved_aside(folder)  # a save is between its two moves, or was cut off there
        if not (folder / CONFIG).is_file():
            what = "has no config.json" if folder.is_dir() else "is a file" if folder.exists() else "does not exist"
            raise BundleError(f"{folder} is no model: it {what}")
        bundle = cls(str(folder), _Folder(folder))
        bundle.config  # noqa: B018 - reading it is the check
        return bundle

    @classmethod
    def part(cls, folder: Path) -> Bundle:
        """Open a folder that holds members' files, and is no model yet."""
        return cls(str(folder), _Folder(folder))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The contents of config.json.

        :raises BundleError: if it is none, or of a format that this version does not read.
        """
        config = self.json(CONFIG)
        if not isinstance(config, dict) or "format" not in config:
            raise BundleError(f"{self.name} is no model: its config.json names no format")
        if config["format"] != FORMAT:
            older = isinstance(config["format"], int) and config["format"] < FORMAT
            raise BundleError(
                f"{self.name} has format {config['format']}, written by nlpkit {config.get('nlpkit', 'unknown')}; this "
                f"version reads format {FORMAT}: {'train it again' if older else 'pip install --upgrade nlpkit-zh'}"
            )
        of_task = {"labels"} if config.get("task") == "sentiment" else set()
        if lacking := sorted(({"task", "members", "stages"} | of_task) - config.keys()):
            raise BundleError(f"{self.name} is damaged: its config.json lacks {', '.join(lacking)}")
        return config

    def require_task(self, task: str) -> None:
        """Refuse a model of another task.

        :raises BundleError: naming the command that it is for.
        """
        if (found := self.config["task"]) != task:
            raise BundleError(f"{self.name} is a model for {found}, not for {task}: use it with nlpkit {found}")

    def read(self, path: str) -> bytes:
        """Return one file.

        :raises BundleError: if it is missing or unreadable.
        """
        try:
            return self.files[path]
        except KeyError:
            raise BundleError(f"{self.name} is damaged: {path} is missing") from None
        except OSError as error:
            raise BundleError(f"{self.name} is damaged: {path} cannot be read: {error.strerror}") from error

    def json(self, path: str) -> Any:
        """Return one file parsed as JSON."""
        try:
            return json.loads(self.read(path))
        except ValueError as error:
            raise BundleError(f"{self.name} is damaged: {path} is no JSON: {error}") from error

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Whatever goes wrong while parts are made of one file's contents is damage to that file.

        :raises BundleError: naming the bundle and the file.
        """
        try:
            yield
        except NlpkitError:
            raise
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise BundleError(f"{self.name} is damaged: {path}: {type(error).__name__}: {error}") from error

    def under(self, prefix: str) -> dict[str, bytes]:
        """All files below a folder, by their paths inside it."""
        start = f"{prefix}/"
        return {path[len(start) :]: self.read(path) for path in self.files if path.startswith(start)}


def find(model: str | Path) -> Bundle:
    """Open a model by its registered name or its folder; a folder is meant where the text has a slash or exists.

    :raises BundleError: if there is neither.
    """
    names = registry().names("model")
    if str(model) in names:
        return Bundle.open(registry().get("model", str(model)).factory)
    folder = Path(model)
    if folder.exists() or _moved_aside(folder).exists() or len(folder.parts) > 1:
        return Bundle.open(folder)
    known = f"{nearest(str(model), names)}{registry().elsewhere()}"
    raise BundleError(f"there is no model {str(model)!r}, by name or as a folder{known}")


def writable(folder: Path, *, force: bool = False) -> None:
    """Make sure, before long work begins, that `save` may write there.

    :raises BundleError: if something is there that is no model, or a model and not ``force``, or the disk refuses.
    """
    folder = folder.resolve()
    try:
        _recover(folder)
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {(error.strerror or str(error)).lower()}") from error
    if folder.is_dir() and not (folder / CONFIG).is_file() and any(folder.iterdir()):
        raise BundleError(f"{folder} holds files but no model; nothing was touched: choose another folder")
    if folder.exists() and not folder.is_dir():
        raise BundleError(f"{folder} is a file: choose a folder")
    _try_writing(folder)
    if (folder / CONFIG).is_file():
        if not force:
            raise BundleError(f"{folder} holds a model already: choose another folder, or say --force to replace it")
        _only_a_model(folder)


def _only_a_model(folder: Path) -> None:
    """Refuse to replace a folder in which somebody keeps other things beside the model."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        members = {member["name"] for member in config["members"]} | ({TOKENIZER} & config.keys())
    except (ValueError, KeyError, TypeError):
        members = {path.name for path in folder.iterdir() if (path / VOCABULARY).is_file()}  # a damaged model
    strange = sorted(path.name for path in folder.iterdir() if path.name not in {*OWN, *members})
    if strange:
        raise BundleError(
            f"{folder} holds more than a model, which would be lost ({', '.join(strange[:3])}): move that away, or "
            "choose another folder"
        )


def save(folder: Path, files: Mapping[str, bytes], *, force: bool = False) -> None:
    """Write all files beside ``folder``, move an old model aside, move the new one in, delete the old one.

    Whatever fails, at any moment, either the old or the new model is whole; `Bundle.open` finishes a broken move.

    :raises BundleError: if the folder may not be replaced, or the disk refuses.
    """
    writable(folder, force=force)
    folder = folder.resolve()
    new = folder.parent / f".{folder.name}.new-{uuid.uuid4().hex[:8]}"
    try:
        for path, data in files.items():
            write_synced(new / path, data)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise BundleError(f"{folder} could not be saved: {error.strerror or error}") from error
    try:
        _swap(new, folder)
    except OSError as error:
        with suppress(OSError):  # if not even that works, `Bundle.open` finds the old model where it is
            _recover(folder)
        where = f"the model is in {new}"
        raise BundleError(f"{folder} could not be moved in: {error.strerror or error}; {where}") from error


def clear_unfinished(folder: Path) -> None:
    """Remove what saves of a model left beside it when they were killed; nobody may be saving it now."""
    folder = folder.resolve()
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.new-*"):
        shutil.rmtree(left, ignore_errors=True)


def dump_json(value: Any) -> bytes:
    """JSON as people read it, in UTF-8, with a last newline."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


class _Folder(Mapping[str, bytes]):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, path: str) -> bytes:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise KeyError(path)  # a model must not reach beyond its folder
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(path) from None

    def __iter__(self) -> Any:
        return (f.relative_to(self._folder).as_posix() for f in sorted(self._folder.rglob("*")) if f.is_file())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _try_writing(folder: Path) -> None:
    probe = folder.parent / f".{folder.name}.new-{uuid.uuid4().hex[:8]}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {(error.strerror or str(error)).lower()}") from error


def _swap(new: Path, folder: Path) -> None:
    old = _moved_aside(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    """A crash between the two moves of `_swap` left the model under its other name."""
    old = _moved_aside(folder)
    if not folder.exists() and (old / CONFIG).is_file():
        old.rename(folder)


def _moved_aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def recorded(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name, distribution and version under which a component was saved."""
    return cast("tuple[str, str, str]", (entry["name"], entry["distribution"], entry["version"]))
