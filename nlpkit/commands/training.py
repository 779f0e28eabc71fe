"""What the commands that train have in common: options of a run, where its rows come from, that it is the same run."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nlpkit.commands import FILE
from nlpkit.commands.labelled import COLUMN, ENCODING
from nlpkit.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from nlpkit.text.corpus import Example
    from nlpkit.training.events import Event

F = TypeVar("F", bound=Callable[..., Any])
OPTIONS = (
    click.argument("corpora", nargs=-1, metavar="CORPUS..."),
    click.option("--recipe", help="A recipe that comes with nlpkit: see below."),
    click.option("--config", type=FILE, help="A recipe of your own, in TOML."),
    click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting: encoder.hidden=64."
    ),
    COLUMN,
    click.option(
        "--keep-weights/--no-weights", default=None, help="Also save the weights as trained.  [default: keep]"
    ),
    click.option("--threads", type=click.IntRange(1), help="For torch.  [default: 1]"),
    click.option("--resume", is_flag=True, help="Go on with the run that was interrupted in this folder."),
    click.option(
        "--save-every", type=click.FloatRange(0), default=30, show_default=True, help="Seconds between states."
    ),
    click.option("--force", is_flag=True, help="Replace a model, or an unfinished run, in the folder."),
    ENCODING,
)


@dataclass(frozen=True)
class RunOptions:
    """What every command that trains is told, as it was said."""

    corpora: tuple[str, ...]
    recipe: str | None
    config: Path | None
    assignments: tuple[str, ...]
    column: str | None
    keep_weights: bool | None
    threads: int | None
    resume: bool
    save_every: float
    force: bool
    encoding: str | None

    def check(self, *columns: str | None) -> None:
        """Refuse what contradicts itself; then see to it that torch is there.

        :param columns: what else was said of the corpora.
        :raises MissingExtra: if torch is not installed.
        """
        if self.recipe and self.config:
            raise click.UsageError("give --recipe or --config, not both")
        if not self.corpora and not self.resume:
            raise click.UsageError("give a CORPUS: a file, a folder, or a name that `nlpkit corpus list` shows")
        if not self.corpora and (self.column or self.encoding or any(columns)):
            raise click.UsageError("say the CORPUS too, or nothing of its columns and encoding: --resume knows them")
        prepare_torch()

    def asked(self, folder: Path | None) -> dict[str, Any]:
        """What the run that is resumed was asked for; nothing of a new one."""
        from nlpkit.training.run_folder import read_request

        return read_request(folder) if self.resume and folder else {}

    def tables(self, asked: Mapping[str, Any], default: str, task: str, *, changed: bool) -> dict[str, Any]:
        """The tables of settings that options change: a recipe's or, where a run is resumed, those it was begun with.

        :param default: the recipe if none is named.
        :param changed: whether components are replaced, so that what a run was begun with does not matter.
        """
        from nlpkit.training.settings import read_recipe

        recipe = self.config or self.recipe
        begun: dict[str, Any] = asked["settings"] if asked and not recipe and not changed else {}
        return begun or read_recipe(recipe or default, task)

    def train(
        self,
        run: Callable[..., Generator[Event, None, None]],
        rows: Callable[..., Iterator[Example]],
        settings: Any,
        folder: Path,
        asked: Mapping[str, Any],
        *,
        columns: Mapping[str, str | None],
        files: Iterable[object],
        samples: Path | None,
    ) -> None:
        """Train, and draw how it goes.

        :param run: ``train`` of a task.
        :param rows: reads corpora, given their columns.
        :param columns: of the corpora, as said.
        :param files: values of options, some of which are paths of files that the run is of.
        :param samples: a file of texts by which the model tests itself.
        """
        from nlpkit.commands.training_view import show
        from nlpkit.model.bundle import writable

        set_threads(self.threads or asked.get("threads", 1))
        writable(folder, force=self.force or asked.get("force", False))
        origin = origin_of(self.corpora, columns, files) if self.corpora else unchanged(asked["origin"])
        show(
            run(
                rows(origin["corpora"], **origin["columns"]),
                settings,
                folder,
                keep_weights=asked.get("keep_weights", True) if self.keep_weights is None else self.keep_weights,
                force=self.force,
                resume=self.resume,
                every=self.save_every,
                origin=origin,
                samples=lines(samples) if samples else asked.get("samples"),
            )
        )


def gathered(kind: type[Any], options: Sequence[Callable[[Any], Any]]) -> Callable[[F], F]:
    """Give a command options, which reach it as its first argument, a dataclass with a field for each."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def called(**said: Any) -> Any:
            return command(kind(**{f.name: said.pop(f.name) for f in fields(kind)}), **said)

        for option in reversed(options):
            called = option(called)
        return called  # type: ignore[return-value]

    return decorate


run_options = gathered(RunOptions, OPTIONS)


def prepare_torch() -> None:
    """Import torch before anything else is looked at, and bound what it keeps for each shape of a batch.

    :raises MissingExtra: if it is not installed.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")  # gigabytes otherwise, in bfloat16
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "train", "training") from None


def set_threads(threads: int) -> None:
    """Let torch use so many."""
    import torch

    torch.set_num_threads(threads)


def origin_of(corpora: Sequence[str], columns: Mapping[str, str | None], options: Iterable[object]) -> dict[str, Any]:
    """What a run is of: the corpora as they were said, and the SHA-256 of every file, those that options name too."""
    from nlpkit.text.catalogue import files_of
    from nlpkit.text.fetching import sha256_of

    paths = [path for corpus in corpora for path in files_of(corpus)]
    paths += [Path(value) for value in options if isinstance(value, str)]
    files = {str(path): sha256_of(path) for path in paths if path.is_file()}
    return {"corpora": list(corpora), "columns": dict(columns), "files": files}


def unchanged(origin: dict[str, Any] | None) -> dict[str, Any]:
    """The rows that a run was begun with; a file that is gone may be, as long as its rows were stored."""
    from nlpkit.text.fetching import sha256_of

    if origin is None or "files" not in origin:
        raise DataError("the run was begun by a program, not by this command: resume it there")
    for name, digest in origin["files"].items():
        if Path(name).exists() and sha256_of(Path(name)) != digest:
            raise DataError(f"{name} has changed since the run began: put it back, or begin anew by --force")
    return origin


def lines(path: Path) -> list[str]:
    """The rows of a file."""
    from nlpkit.text.rows import open_rows

    with open_rows(path) as source:
        return [row.text for row in itertools.chain.from_iterable(source.blocks) if row.fault is None]
