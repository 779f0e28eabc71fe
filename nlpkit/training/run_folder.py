"""The folder of a run beside that of its model: all that an interrupted run goes on from.

my-model.training/
  run.json         what was asked for: the task, settings, corpora, threads
  from/            the model from which training goes on, if there is one
  corpus/          the texts, without copies, in their places
  members/NAME/    tokens as ids, vocabulary, the weights at the start
  NAME.safetensors, NAME.WHAT.safetensors   the state of a loop: the main one's, or what else is trained before it
  trained/NAME/    a member that is done, as it will stand in the model
  history.csv, curve.png
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nlpkit.errors import BundleError, DataError, NlpkitError, Sentence, SettingError, join, reason_of
from nlpkit.files import remove_dead_folders, replace_file
from nlpkit.model.bundle import CONFIG

REQUEST, CORPUS, LOCK = "run.json", "corpus", ".nlpkit.lock"
FORCE = "force"  # whether the model may be replaced: a resumed run need not say it again
DEVICE = "device"  # where it was begun: a resumed run may be elsewhere
FILES = "origin.files."  # of a request: checksums
MISSING = object()


def run_folder_of(model: Path) -> Path:
    """Where the run of a model has its folder."""
    model = model.resolve()
    if not model.name:
        raise BundleError("{model} is no folder of its own: name one inside it", model=model)
    return model.with_name(f"{model.name}.training")


@contextmanager
def open_run(model: Path, request: Mapping[str, Any], *, resume: bool, force: bool) -> Iterator[Path]:
    """Take the folder of a model's run for oneself, begun anew or as it was left.

    It stays where the run breaks off, and goes once `finish_run` was called.

    :param request: JSON that says what is asked for; a resumed run must have been asked for the same.
    :raises BundleError: if another run is in it, if an unfinished one is and it shall neither be resumed nor forced
        away, if there is none to resume, or the disk refuses.
    :raises SettingError: if the run to resume was asked for something else, naming it.
    """
    folder = run_folder_of(model)
    lock = FileLock(folder / LOCK)
    try:
        if folder.exists() and not (folder / LOCK).exists() and any(folder.iterdir()):
            raise BundleError(
                "{folder} is no run of nlpkit's, and is left alone: choose another --output", folder=folder
            )
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise BundleError(
            "another run is training {model}: wait for it, or choose another folder", model=model
        ) from None
    except OSError as error:
        raise BundleError("{folder} cannot be written: {reason}", folder=folder, reason=reason_of(error)) from error
    try:
        _enter(model, folder, json.loads(json.dumps({**request, FORCE: force})), resume=resume, force=force)
        remove_dead_folders(model.resolve())
        with _drop_useless(folder):
            yield folder
    except OSError as error:
        why = f"{error.filename or folder}: {reason_of(error)}"
        remedy = "go on by --resume" if is_unfinished(folder) else "begin again"
        raise NlpkitError("the run cannot go on: {why}: mend that, and {remedy}", why=why, remedy=remedy) from error
    finally:
        if not is_unfinished(folder):
            _leave(folder)
        lock.release()


@contextmanager
def _drop_useless(folder: Path) -> Iterator[None]:
    """Drop a run whose corpus is of no use, or whose settings cannot work: there is nothing to resume."""
    try:
        yield
    except Exception as error:
        useless = not has_progress(folder) and (isinstance(error, DataError) or not (folder / CORPUS).exists())
        if useless or isinstance(error, SettingError):
            (folder / REQUEST).unlink(missing_ok=True)
        raise


def allow_replacing(folder: Path) -> None:
    """From here on a model in the place of the run's own is the run's own: it may be resumed, and replace it."""
    path = folder / REQUEST
    replace_file(path, json.dumps({**json.loads(path.read_text("utf-8")), FORCE: True}, indent=2).encode())


def is_unfinished(folder: Path) -> bool:
    """Whether there is a run that can be resumed."""
    return (folder / REQUEST).exists()


def finish_run(folder: Path) -> None:
    """End a run whose model is saved: there is nothing left to resume."""
    (folder / REQUEST).unlink()


def read_request(model: Path) -> dict[str, Any]:
    """Read what the unfinished run of a model was asked for.

    :raises BundleError: if there is none, as it is finished or never began, or if it is damaged or of an older nlpkit,
        which trained otherwise.
    """
    path = run_folder_of(model) / REQUEST
    try:
        request = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        if not path.exists() and (model / CONFIG).is_file():
            raise BundleError(
                "the run of {model} is finished, its model saved: begin anew by --force, or go on from that by --from "
                "{model}",
                model=model,
            ) from None
        raise BundleError("there is no unfinished run of {model}: begin one without --resume", model=model) from None
    if not isinstance(request, dict):
        raise BundleError("{path} is damaged: begin anew by --force", path=path)
    if "task" not in request:
        raise BundleError(
            "{parent} holds an unfinished run of an older nlpkit: begin anew by --force", parent=path.parent
        )
    return request


def _enter(model: Path, folder: Path, request: dict[str, Any], *, resume: bool, force: bool) -> None:
    if resume:
        then = read_request(model) | {name: request[name] for name in (FORCE, DEVICE) if name in request}
        if differences := list(list_differences(then, request)):
            raise SettingError(
                "the run of {model} was begun with other settings: {differences}",
                model=model,
                differences=join(differences, "; "),
            )
        return
    if is_unfinished(folder) and has_progress(folder) and not force:
        read_request(model)  # one that cannot be gone on with says so
        raise BundleError(
            "{folder} holds an unfinished run: go on by --resume, or begin anew by --force", folder=folder
        )
    _clear(folder)
    replace_file(folder / REQUEST, json.dumps(request, indent=2).encode())


def has_progress(folder: Path) -> bool:
    """Whether anything was learnt that beginning anew would lose."""
    return any(folder.glob("*.safetensors")) or (folder / "trained").exists()


def _clear(folder: Path) -> None:
    """Remove all of a run but its lock, by which it is known to be ours; what stayed would pass for the next run's."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _leave(folder: Path) -> None:
    """Remove a folder in which nothing is to be resumed, while its lock is ours and as far as the system lets us."""
    with suppress(OSError):
        _clear(folder)
        (folder / LOCK).unlink()  # Windows keeps it, and a folder with nothing else in it
    with suppress(OSError):
        folder.rmdir()  # unless somebody has begun there


def list_differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """Yield ``encoder.hidden was 64, is 32`` for every leaf in which two JSON values differ."""
    if isinstance(then, list) and isinstance(now, list) and any(isinstance(v, dict) for v in then + now):
        then, now = ({str(v.get("name", i)): v for i, v in enumerate(values)} for values in (then, now))
    if isinstance(then, dict) and isinstance(now, dict):
        for name in then | now:
            inner = f"{place}.{name}" if place else str(name)
            yield from list_differences(then.get(name, MISSING), now.get(name, MISSING), inner)
    elif then != now and place.startswith(FILES):
        yield Sentence("{file} has changed or is another", file=place.removeprefix(FILES))
    elif then != now:
        yield Sentence("{place} was {then}, is {now}", place=place, then=_show(then), now=_show(now))


def _show(value: Any) -> str:
    text = "not there" if value is MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
