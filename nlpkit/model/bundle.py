"""The saved folder of a model: written whole or not at all, read lazily, checked.

config.json holds the SHA-256 of every other file that inference reads. A folder without them, made before there were
any, is read on.

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

import errno
import hashlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from nlpkit.errors import BundleError, NlpkitError, Sentence, nearest, reason_of
from nlpkit.files import describe_age, new_folder, remove_dead_folders, write_synced
from nlpkit.log import get_logger
from nlpkit.model.stored_files import OpenFolder, ReplacedError, UnfitError
from nlpkit.plugins.registry import registry

LOG = get_logger(__name__)
FORMAT = 1
SEVERAL_FORMAT = 2  # of models that answer several labels: an nlpkit that reads format 1 alone would give one of them
CONFIG, EVIDENCE, SAMPLES, CARD = "config.json", "evidence.json", "samples.json", "README.md"
VOCABULARY, GRAPH, ARRAYS, WEIGHTS = "vocabulary.json", "model.onnx", "arrays.safetensors", "model.safetensors"
ANSWERS, TOKENIZER = "answers.json", "tokenizer"
HISTORY, CURVE = "history.csv", "curve.png"  # of the run that made it
OWN = (CONFIG, EVIDENCE, ANSWERS, VOCABULARY, SAMPLES, CARD, HISTORY, CURVE)
FILES = "files"  # of config.json: checksums by path
TASK_FROM = "task_from"  # of config.json: the distribution and the version of the plugin that brought its task
UNLISTED = (CONFIG, CARD, HISTORY, CURVE)  # for people, who may edit them
TOO_MANY = (errno.EMFILE, errno.ENFILE)
ATTEMPTS, PAUSE = 200, 0.002  # at a folder that is replaced while it is opened; seconds between them
FEW = 10  # labels, which are named
LOOKS = 3  # until a model is missing
FAULTS = (KeyError, TypeError, IndexError, ValueError, AttributeError, ArithmeticError, RecursionError)  # of wild data
_DISTRIBUTION, _VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{,99}"), re.compile(r"[A-Za-z0-9.!+_-]{1,99}")
_SUM = re.compile(r"[0-9a-f]{64}")


class Bundle:
    """A model's files, in a folder or in memory.

    :param name: what to call it in errors.
    :param files: contents by path relative to the folder, with forward slashes.
    :param source: by what `find` opens it again: a registered name, or the whole path of a folder; None in memory.
    """

    def __init__(self, name: str, files: Mapping[str, bytes], source: str | None = None) -> None:
        self.name = name
        self.files = files
        self.source = source

    @classmethod
    def open(cls, folder: str | Path) -> Bundle:
        """Open a saved folder; files are read when first needed, as they are now, whatever becomes of the folder.

        :raises BundleError: if it is no model, or of a newer format, or holds what no model does.
        """
        folder = Path(folder)
        bundle = cls(str(folder), _open_files(folder), str(folder.absolute()))
        bundle._check_listed()
        bundle._let_go()
        return bundle

    @classmethod
    def of_members(cls, folder: Path) -> Bundle:
        """Open a folder that holds members' files, and is no model yet."""
        return cls(str(folder), _Folder(folder))

    @cached_property
    def config(self) -> dict[str, Any]:
        """The contents of config.json.

        :raises BundleError: if it is none, or of a format that this version does not read.
        """
        config = self.read_json(CONFIG)
        if not isinstance(config, dict) or "format" not in config:
            raise BundleError("{name} is no model: its config.json names no format", name=self.name)
        if type(config["format"]) is not int:
            raise BundleError(
                "{name} is damaged: its config.json has the format {format!r:.40}",
                name=self.name,
                format=config["format"],
            )
        if not FORMAT <= config["format"] <= SEVERAL_FORMAT:
            older = config["format"] < FORMAT
            raise BundleError(
                "{name} has format {format!r:.40}, written by nlpkit {nlpkit!s:.40}; this version "
                "reads formats {oldest} and {newest}: {what}",
                name=self.name,
                format=config["format"],
                nlpkit=config.get("nlpkit", "unknown"),
                oldest=FORMAT,
                newest=SEVERAL_FORMAT,
                what=Sentence("train it again" if older else "bring nlpkit up to date"),
            )
        self._check_entries(config, ("members", "stages", "task"))
        return config

    def require(self, *entries: str) -> None:
        """Refuse a model whose config.json lacks what its task wants there.

        :raises BundleError: naming what is lacking.
        """
        self._check_entries(self.config, entries)

    def _check_entries(self, config: Mapping[str, Any], entries: Iterable[str]) -> None:
        if absent := [entry for entry in entries if entry not in config]:
            raise BundleError(
                "{name} is damaged: its config.json lacks {absent}", name=self.name, absent=", ".join(absent)
            )

    @cached_property
    def checksums(self) -> dict[str, str] | None:
        """The SHA-256 of the files that inference reads; None in a model that was made before there were any."""
        if CONFIG not in self.files or FILES not in self.config:
            return None
        sums = self.config[FILES]
        if not isinstance(sums, dict) or not all(isinstance(s, str) and _SUM.fullmatch(s) for s in sums.values()):
            raise BundleError(
                "{name} is damaged: the entry {files} of its config.json holds no checksums",
                name=self.name,
                files=FILES,
            )
        return sums

    @cached_property
    def fingerprint(self) -> str:
        """By which a model is known again: equal only where everything is that inference reads."""
        digest = hashlib.sha256(self.read(CONFIG))
        if self.checksums is None:
            paths = (path for path in self.files if not path.endswith(f"/{WEIGHTS}"))
            for path, each in compute_checksums({path: self.read(path) for path in paths}).items():
                digest.update(f"{path} {each}\n".encode())
        return digest.hexdigest()

    def require_task(self, task: str) -> None:
        """Refuse a model of another task.

        :raises BundleError: naming the command that it is for.
        """
        if (own := self.config["task"]) != task:
            own = f"{own!s:.40}"
            raise BundleError(
                "{name} is a model for {own}, not for {task}: use it with nlpkit {own}",
                name=self.name,
                own=own,
                task=task,
            )

    def read(self, path: str) -> bytes:
        """Return one file.

        :raises BundleError: if it is missing or unreadable, or is not the one that config.json lists.
        """
        try:
            data = self.files[path]
        except KeyError:
            raise BundleError("{name} is damaged: {path} is missing", name=self.name, path=path) from None
        except UnfitError as error:
            raise BundleError("{name} is refused: {error}", name=self.name, error=error) from None
        except OSError as error:
            if error.errno in TOO_MANY:
                raise _too_many_files(self.name) from error
            raise BundleError(
                "{name} is damaged: {path} cannot be read: {reason}", name=self.name, path=path, reason=error.strerror
            ) from error
        if path not in UNLISTED and (sums := self.checksums) is not None:
            self._check_sum(path, data, sums)
        return data

    def read_json(self, path: str) -> Any:
        """Return one file parsed as JSON; only config.json may hold numbers that are none, in the history of a run."""
        constant = None if path == CONFIG else _refuse_constant
        try:
            return json.loads(self.read(path), parse_constant=constant)
        except ValueError as error:
            raise BundleError(
                "{name} is damaged: {path} is no JSON: {error}", name=self.name, path=path, error=error
            ) from error
        except RecursionError:
            raise BundleError("{name} is damaged: {path} is nested too deep", name=self.name, path=path) from None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self.files.total if isinstance(self.files, OpenFolder) else sum(map(len, self.files.values()))

    @contextmanager
    def report_damage(self, path: str) -> Iterator[None]:
        """Whatever goes wrong while parts are made of one file's contents is damage to that file.

        :raises BundleError: naming the bundle and the file.
        """
        try:
            yield
        except NlpkitError:
            raise
        except FAULTS as error:
            why = " ".join(str(error).split())
            raise BundleError(
                "{name} is damaged: {path}: {kind}: {why:.300}",
                name=self.name,
                path=path,
                kind=type(error).__name__,
                why=why,
            ) from error

    def read_folder(self, prefix: str) -> dict[str, bytes]:
        """Return the files below a folder, by their paths inside it: where there are checksums, those that have one."""
        start, sums = f"{prefix}/", self.checksums
        paths = [path for path in self.files if path.startswith(start) and (sums is None or path in sums)]
        return {path.removeprefix(start): self.read(path) for path in paths}

    def _check_listed(self) -> None:
        """Refuse a folder without files that config.json lists; only the weights as trained may be left out."""
        absent = sorted(set(self.checksums or ()) - set(self.files))
        if missing := [path for path in absent if not path.endswith(f"/{WEIGHTS}")]:
            raise BundleError(
                "{name} is damaged: {missing} is missing: get a whole copy of it",
                name=self.name,
                missing=", ".join(missing[:3]),
            )

    def _let_go(self) -> None:
        """Hold no file open that inference does not read."""
        if isinstance(self.files, OpenFolder) and self.checksums is not None:
            self.files.let_go(set(self.files) - {CONFIG, *self.checksums})

    def _check_sum(self, path: str, data: bytes, sums: Mapping[str, str]) -> None:
        if path not in sums:
            raise BundleError("{name} is damaged: its config.json does not list {path}", name=self.name, path=path)
        if hashlib.sha256(data).hexdigest() != sums[path]:
            raise BundleError(
                "{name} is damaged: {path} is not the file that was saved with it, by its SHA-256: "
                "get a whole copy of the model, or train it again",
                name=self.name,
                path=path,
            )


def find(model: str | Path) -> Bundle:
    """Open a model by its registered name or its folder; a folder is meant where the text has a slash or exists.

    :raises BundleError: if there is neither.
    """
    folder = Path(model)
    component = registry().find("model", str(model)) if folder.name == str(model) else None
    if component:
        bundle = Bundle.open(component.factory)
        bundle.source = str(model)
        return bundle
    if folder.exists() or _aside_of(folder).exists() or len(folder.parts) > 1:
        return Bundle.open(folder)
    if elsewhere := registry().tell_home("model", str(model)):
        raise BundleError(elsewhere)
    others = f"{nearest(str(model), registry().names('model'))}{registry().list_absent()}"
    raise BundleError("there is no model {model!r}, by name or as a folder{others}", model=str(model), others=others)


def check_writable(folder: Path, *, force: bool = False) -> None:
    """Make sure, before long work begins, that `save` may write there.

    :raises BundleError: if something is there that is no model, or a model and not ``force``, or the disk refuses.
    """
    folder = folder.resolve()
    try:
        _recover(folder)
    except OSError as error:
        raise BundleError("{folder} cannot be written: {reason}", folder=folder, reason=reason_of(error)) from error
    if folder.is_dir() and not (folder / CONFIG).is_file() and any(folder.iterdir()):
        raise BundleError(
            "{folder} holds files but no model; nothing was touched: choose another folder", folder=folder
        )
    if folder.exists() and not folder.is_dir():
        raise BundleError("{folder} is a file: choose a folder", folder=folder)
    _try_writing(folder)
    if (folder / CONFIG).is_file():
        if not force:
            raise BundleError(
                "{folder} holds a model already: choose another folder, or say --force to replace it", folder=folder
            )
        _refuse_other_files(folder)


def _refuse_other_files(folder: Path) -> None:
    """Refuse to replace a folder in which somebody keeps other things beside the model."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        members = {member["name"] for member in config["members"]} | ({TOKENIZER} & config.keys())
    except (ValueError, KeyError, TypeError, RecursionError):
        members = {path.name for path in folder.iterdir() if (path / VOCABULARY).is_file()}  # a damaged model
    strange = sorted(path.name for path in folder.iterdir() if path.name not in {*OWN, *members})
    if strange:
        raise BundleError(
            "{folder} holds more than a model, which would be lost ({strange}): move that away, "
            "or choose another folder",
            folder=folder,
            strange=", ".join(strange[:3]),
        )


def describe_model(folder: Path) -> Sentence | None:
    """Say what is in the place of a model, before it is replaced; None if there is none.

    >>> describe_model(Path("nowhere"))
    """
    try:
        written = (folder / CONFIG).stat().st_mtime
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        config = json.loads((folder / CONFIG).read_bytes())
        task, labels = config["task"], config.get("labels")
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Sentence("a damaged model, {age}", age=describe_age(size, written))
    named = f" ({', '.join(map(str, labels))})" if isinstance(labels, list) and 0 < len(labels) <= FEW else ""
    return Sentence("a model for {task}{named}, {age}", task=task, named=named, age=describe_age(size, written))


def save(folder: Path, files: Mapping[str, bytes], *, force: bool = False) -> None:
    """Write all files beside ``folder``, move an old model aside, move the new one in, delete the old one.

    Whatever fails, at any moment, either the old or the new model is whole; `Bundle.open` finishes a broken move, and
    the next save removes what a killed one left.

    :raises BundleError: if the folder may not be replaced, or the disk refuses.
    """
    check_writable(folder, force=force)
    folder = folder.resolve()
    remove_dead_folders(folder)
    try:
        with new_folder(folder) as new:
            _fill(new, files)
            _move_in(new, folder)
    except OSError as error:
        raise BundleError(
            "{folder} could not be saved: {reason}", folder=folder, reason=error.strerror or error
        ) from error


def _fill(new: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or leave nothing."""
    try:
        for path, data in files.items():
            write_synced(new / path, data)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _move_in(new: Path, folder: Path) -> None:
    try:
        _swap(new, folder)
    except OSError as error:
        with suppress(OSError):  # if not even that works, `Bundle.open` finds the old model where it is
            _recover(folder)
        refuge = folder.with_name(f"{folder.name}.unsaved-{uuid.uuid4().hex[:8]}")  # which nobody removes
        with suppress(OSError):
            new = new.rename(refuge)
        where = Sentence("the model is in {new}", new=new)
        raise BundleError(
            "{folder} could not be moved in: {reason}; {where}",
            folder=folder,
            reason=error.strerror or error,
            where=where,
        ) from error


def dump_json(value: Any) -> bytes:
    """JSON as people read it, in UTF-8, with a last newline."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def compute_checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    """Compute the SHA-256 of each file of a model, by path, but for those that people may edit."""
    return {path: hashlib.sha256(files[path]).hexdigest() for path in sorted(files) if path not in UNLISTED}


def add_checksums(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of a model, config.json with the checksums of the others."""
    config = json.loads(files[CONFIG])
    return {**files, CONFIG: dump_json({**config, FILES: compute_checksums(files)})}


class _NoModelError(BundleError):
    """There is no model."""


def _open_files(folder: Path) -> OpenFolder:
    """Open the files of a folder that may be replaced at any moment, all of one model."""
    looks = 0
    for _ in range(ATTEMPTS):
        try:
            if (files := _open_once(folder)) is not None:
                return files
        except _NoModelError as error:
            looks += 1  # between two moves of a save it may seem so
            if looks == LOOKS:
                raise BundleError(str(error)) from None
        except UnfitError as error:
            raise BundleError("{folder} is refused: {error}", folder=folder, error=error) from None
        except OSError as error:
            if error.errno in TOO_MANY:
                raise _too_many_files(str(folder)) from error
            raise BundleError("{folder} cannot be read: {reason}", folder=folder, reason=reason_of(error)) from error
        LOG.debug("%s is being replaced: looking again", folder)
        time.sleep(PAUSE)
    raise BundleError("{folder} is being replaced over and over: try again", folder=folder)


def _open_once(folder: Path) -> OpenFolder | None:
    """As `_open_files`, None if it was replaced just then."""
    aside = _aside_of(folder)
    # a save is between its two moves, or was cut off there
    is_aside = not folder.exists() and (aside / CONFIG).is_file()
    if not is_aside and not (folder / CONFIG).is_file():
        if not folder.exists() and (aside / CONFIG).is_file():
            return None
        if folder.is_dir():
            raise _NoModelError("{folder} is no model: it has no config.json", folder=folder)
        if folder.exists():
            raise _NoModelError("{folder} is no model: it is a file", folder=folder)
        raise _NoModelError("{folder} is no model: it does not exist", folder=folder)
    try:
        files = OpenFolder(aside if is_aside else folder, unread=(WEIGHTS,))
    except ReplacedError:
        return None
    return None if is_aside and folder.exists() else files  # what was moved aside is being deleted by now


def _too_many_files(name: str) -> BundleError:
    return BundleError(
        "{name} cannot be opened: this process may not hold more files open: let go of other "
        "models and files, or allow it more by ulimit -n",
        name=name,
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


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
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as probe:
            probe.rmdir()
    except OSError as error:
        raise BundleError("{folder} cannot be written: {reason}", folder=folder, reason=reason_of(error)) from error


def _swap(new: Path, folder: Path) -> None:
    old = _aside_of(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Give a model its name back, if a crash between the two moves of `_swap` left it under the other."""
    old = _aside_of(folder)
    if not folder.exists() and (old / CONFIG).is_file():
        LOG.warning("a save of %s was cut off: the model before it is put back", folder)
        old.rename(folder)


def _aside_of(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def origin_of(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name, distribution and version under which a component was saved.

    :raises TypeError: or ValueError, if these are no names, which are then not repeated, or its options no options.
    """
    name, distribution, version = entry["name"], entry["distribution"], entry["version"]
    if not all(isinstance(text, str) for text in (name, distribution, version)):
        raise TypeError("the name, the distribution and the version of a component are texts")
    if not (_DISTRIBUTION.fullmatch(distribution) and _VERSION.fullmatch(version)):
        raise ValueError(f"the distribution or the version of {name!r:.60} is none that there can be")
    if not isinstance(entry["config"], dict):
        raise TypeError(f"the options of {name} are no options")
    return name, distribution, version
