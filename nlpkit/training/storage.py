"""A corpus on disk: texts, tokens and ids in flat arrays that are read through memory maps.

What is written goes through plain writes, which a full disk answers by an error; what is complete is moved into place,
so that a folder that is there is whole.
"""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, Sentence
from nlpkit.files import replace_file, sync, write_synced
from nlpkit.text.corpus import Example
from nlpkit.text.example import Source
from nlpkit.text.several import Labels, as_labels, names_of
from nlpkit.text.split import (
    PLACES,
    Key,
    Unevenness,
    deal_by_seed,
    find_unevenness,
    fingerprint,
    first_copies,
    places,
    places_in_order,
)
from nlpkit.text.vocabulary import Tokens, Vocabulary
from nlpkit.training.batching import Rows
from nlpkit.training.dealing import Draw, SourcedRows, UnlabelledCounts

NO_KEY = Key(0, 0)  # of a text that is kept whatever it holds
ENOUGH = 50  # rows: fewer are too few, whatever their shares
SHARES = (0.05, 0.1, 0.2, 0.3)
Ints = NDArray[np.int64]
BLOCK = 4096  # texts that are handled together
SPAN = 1 << 24  # bytes that are read together, where chosen texts lie far apart
COUNTED = 1 << 22  # tokens that are counted together


class ArrayFile(AbstractContextManager["ArrayFile"]):
    """An array that grows at its end, in a file."""

    def __init__(self, path: Path, dtype: Any) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sync_and_close(self._file)

    def append(self, values: Any) -> None:
        """Write numbers at the end."""
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)


def sync_and_close(file: IO[bytes]) -> None:
    """Close a file when all of it is on the disk."""
    with file:
        sync(file)


def map_array(path: Path, dtype: Any) -> NDArray[Any]:
    """Map an array file as it lies on disk; what is not looked at takes no memory."""
    if not path.stat().st_size:
        return np.zeros(0, dtype=dtype)  # nothing cannot be mapped
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)  # parts of a plain array are taken sooner


@dataclass(frozen=True)
class Counts:
    """Rows read, and what became of them.

    ``duplicates`` were copies of another row, ``conflicts`` texts under several labels, ``empty`` rows without letters.
    ``ordered`` follow each other, so that all of them stay, in blocks.
    """

    rows: int
    duplicates: int
    conflicts: int
    empty: int
    ordered: int = 0


class StoredCorpus:
    """Labelled texts on disk, without copies, each in its place.

    ``classes`` are what a row may be labelled: the ``labels`` or, where a text may have several, each of the sets of
    them that occur.

    :param folder: made by `store_corpus`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        facts = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        self.counts = Counts(**facts["counts"])
        self.labels: list[str] = facts["labels"]
        self.several = "classes" in facts
        self.classes: Sequence[str] = list(map(Labels, facts["classes"])) if self.several else self.labels
        self.corpora: dict[str, int] = facts["corpora"]  # rows that each held
        self._continuous: list[int] = facts.get("continuous", [])  # positions in corpora
        self.sources = [Source(**source) for source in facts.get("sources", [])]  # empty where all rows are dealt out
        self.draws = [Draw(**draw) for draw in facts.get("draws", [])]
        self.unlabelled = UnlabelledCounts(**facts["unlabelled"]) if "unlabelled" in facts else None
        uneven = facts.get("uneven")
        self.uneven = Unevenness(**uneven) if uneven else None  # why the seed has dealt the rows; None: their hash has

    def rows(self, place: str) -> NDArray[np.int64]:
        """Numbers of the rows in a place, in the order in which they were read."""
        return map_array(self._folder / place, np.int64)

    def has_place(self, place: str) -> bool:
        """Whether there is such a place, rows in it or none."""
        return (self._folder / place).exists()

    def add_place(self, place: str, rows: NDArray[np.int64]) -> None:
        """Make a place of some rows.

        :param rows: their numbers, ascending.
        """
        replace_file(self._folder / place, np.ascontiguousarray(rows, dtype=np.int64).tobytes())

    def targets(self, place: str) -> NDArray[np.int64]:
        """Position in ``classes`` of what each row is labelled ``(rows,)``; -1 of a row without."""
        return map_array(self._folder / "labels", np.int32)[self.rows(place)].astype(np.int64)

    @cached_property
    def membership(self) -> NDArray[np.uint8]:
        """1 where a class has a label, 0 elsewhere ``(classes, labels)``."""
        position = {label: at for at, label in enumerate(self.labels)}
        table = np.zeros((len(self.classes), len(self.labels)), np.uint8)
        for row, label in enumerate(self.classes):
            table[row, [position[name] for name in names_of(label) if name in position]] = 1
        return table

    def indicators(self, place: str) -> NDArray[np.uint8]:
        """1 where a row has a label, 0 elsewhere ``(rows, labels)``; nothing but 0 of a row without."""
        targets = self.targets(place)
        return np.asarray(self.membership[targets] * (targets >= 0)[:, None], np.uint8)

    def count_labels(self, *places: str) -> dict[str, int]:
        """How many rows of some places have each label."""
        size = len(self.classes)
        counts = np.sum([np.bincount(self.targets(place), minlength=size) for place in places], 0)
        return dict(zip(self.labels, (counts @ self.membership.astype(np.int64)).tolist(), strict=True))

    def corpus_of(self, place: str) -> NDArray[np.int32]:
        """Position in ``corpora`` of where each row came from ``(rows,)``."""
        return np.asarray(map_array(self._folder / "corpora", np.int32)[self.rows(place)])

    def source_of(self, place: str) -> NDArray[np.int32]:
        """Position in ``sources`` of each row's ``(rows,)``; all 0 where there are none."""
        if not self.sources:
            return np.zeros(len(self.rows(place)), dtype=np.int32)
        return np.asarray(map_array(self._folder / "sources", np.int32)[self.rows(place)])

    def continuity_of(self, place: str) -> NDArray[np.bool_]:
        """Whether each row follows the one before it, as the lines of a novel do ``(rows,)``."""
        return np.isin(self.corpus_of(place), self._continuous)

    def texts(self, place: str, limit: int | None = None) -> Iterator[list[str]]:
        """Texts of a place, in blocks; at most ``limit``."""
        rows, bounds = self.rows(place)[:limit], map_array(self._folder / "starts", np.int64)
        with (self._folder / "texts").open("rb") as file:
            while len(rows):
                begin = int(bounds[rows[0]])
                near = int(np.searchsorted(bounds[rows[:BLOCK] + 1], begin + SPAN, "right"))
                block, rows = rows[: max(1, near)], rows[max(1, near) :]
                file.seek(begin)
                data = file.read(int(bounds[block[-1] + 1]) - begin)
                starts, ends = ((bounds[numbers] - begin).tolist() for numbers in (block, block + 1))
                yield [data[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True)]

    def answers(self, place: str) -> list[str]:
        """Return what each row is labelled."""
        return [self.classes[label] for label in self.targets(place).tolist()]

    def examples(self, place: str, numbers: NDArray[np.int64]) -> Iterator[Example]:
        """Yield some rows of a place.

        :param numbers: their numbers in that place, ascending.
        """
        mask = np.zeros(len(self.rows(place)), dtype=np.bool_)
        mask[numbers] = True
        owners, corpora = self.corpus_of(place), list(self.corpora)
        rows = zip(itertools.chain.from_iterable(self.texts(place)), self.answers(place), owners.tolist(), strict=True)
        for text, answer, owner in itertools.compress(rows, mask.tolist()):
            yield Example(text, answer, corpora[owner])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the training rows: see `nlpkit.text.split.fingerprint`."""
        labels = iter(self.targets("train").tolist())
        return fingerprint((text, self.classes[next(labels)]) for block in self.texts("train") for text in block)


def store_corpus(
    examples: Iterable[Example],
    folder: Path,
    *,
    test: float,
    validation: float,
    seed: int = 0,
    labelled: bool = True,
    continuous: Collection[str] = (),
) -> Iterator[int]:
    """Read examples once, to the end; drop copies, deal out places, leave a folder for `StoredCorpus`.

    What their sources say goes before how they would be dealt out: see `nlpkit.text.example.Source`. Of those without
    labels the texts that stand elsewhere go, and the rest is the place ``unlabelled``.

    :param seed: deals the rows that their hash would not deal evenly: see `find_unevenness`; and draws what is drawn.
    :param labelled: false for texts that all have the empty label.
    :param continuous: the corpora of texts without labels that follow each other: all of these stay, and each corpus is
        cut into a beginning, a middle and an end; it may grow while examples are read.
    :returns: an iterator that does it, and yields how many rows were read so far.
    :raises DataError: if fewer than two labels are left, or a place lacks rows.
    """
    with write_folder(folder) as new:
        with _CorpusWriter(new, continuous) as writer:
            for rows, example in enumerate(examples, start=1):
                writer.add(example)
                if rows % BLOCK == 0:
                    writer.flush()
                    yield rows
            writer.flush()
        facts = writer.finish(test=test, validation=validation, labelled=labelled, seed=seed)
        write_synced(new / "corpus.json", json.dumps(facts).encode())  # in ASCII: a name may hold lone surrogates


class _CorpusWriter(ExitStack):
    """Texts go to disk as they come; of each row some twenty bytes are kept until copies can be told."""

    def __init__(self, folder: Path, continuous: Collection[str]) -> None:
        super().__init__()
        self._folder, self._continuous = folder, continuous
        self._bits, self._residues = array("Q"), array("B")
        self._labels, self._corpora = array("i"), array("i")
        self._owners = array("i")
        self._label_names: dict[str, int] = {}
        self._corpus_names: dict[str, int] = {}
        self._sources: dict[Source, int] = {}
        self._unlabelled = 0  # rows that were read, those without letters among them
        self._rows_of: Counter[str] = Counter()
        self._texts = (folder / "texts").open("wb")
        self.callback(sync_and_close, self._texts)
        self._starts = self.enter_context(ArrayFile(folder / "starts", np.int64))
        self._starts.append([0])
        self._ends: list[int] = []
        self._size = 0

    def add(self, example: Example) -> None:
        """Take one row; one without letters is only counted, unless it follows another."""
        corpus = self._corpus_names.setdefault(example.corpus, len(self._corpus_names))
        self._rows_of[example.corpus] += 1
        source = self._sources.setdefault(example.source, len(self._sources))
        free = example.source.use == "unlabelled"
        self._unlabelled += free
        if key := NO_KEY if example.corpus in self._continuous else Key.of(example.text):
            self._size += self._texts.write(example.text.encode("utf-8", "surrogatepass"))
            self._ends.append(self._size)
            self._bits.append(key.bits)
            self._residues.append(key.residue)
            label = -1 if free else self._label_names.setdefault(example.label, len(self._label_names))
            self._labels.append(label)
            self._corpora.append(corpus)
            self._owners.append(source)

    def flush(self) -> None:
        """Write the ends of the texts so far."""
        self._starts.append(self._ends)
        self._ends.clear()

    def finish(self, *, test: float, validation: float, labelled: bool, seed: int) -> dict[str, Any]:
        """Write which rows stay and where; return the facts of corpus.json."""
        labels, corpora = np.frombuffer(self._labels, np.int32), np.frombuffer(self._corpora, np.int32)
        bits, owners = np.frombuffer(self._bits, np.uint64), np.frombuffer(self._owners, np.int32)
        names = list(self._label_names)
        if several := any(isinstance(name, Labels) for name in names):
            names, labels = _join_labels(names, labels)
            _refuse_drawing(self._sources)
        sourced = SourcedRows(list(self._sources), owners, bits, labels, names, seed)
        continuous = [at for name, at in self._corpus_names.items() if name in self._continuous]
        ordered = np.isin(corpora, continuous)
        loose = sourced.order(np.flatnonzero(~ordered))
        residues = np.frombuffer(self._residues, np.uint8)
        copies = first_copies(bits[loose], labels[loose])
        mask = ordered.copy()
        mask[loose] = copies.mask
        stay = sourced.select_dealt(loose[copies.mask])
        if uneven := find_unevenness(residues[stay], test=test, validation=validation):
            residues = residues.copy()
            residues[stay] = deal_by_seed(bits[stay], seed, test=test, validation=validation)

        def deal(test: float, validation: float) -> dict[str, Ints]:
            numbers = places(residues, test=test, validation=validation)
            numbers[ordered] = places_in_order(corpora[ordered], test=test, validation=validation)
            sourced.place(numbers)
            return {place: np.flatnonzero(mask & (numbers == position)) for position, place in enumerate(PLACES)}

        split = _SplitCheck(deal, labels, list(map(names_of, names)), copies.conflicts, labelled=labelled)
        split.check(test, validation)
        rows = sourced.draw(deal(test, validation))
        order = sorted(split.labels_of(rows["train"]) if labelled else names)
        classes = sorted(names) if several else order
        place_of = {name: at for at, name in enumerate(classes)}
        position = np.array([place_of.get(name, -1) for name in names], dtype=np.int32)
        arrays = {"labels": np.where(labels < 0, -1, position[labels]) if names else labels, "corpora": corpora}
        facts: dict[str, Any] = {}
        if not sourced.plain:
            arrays["sources"] = owners
            facts = {"sources": list(map(asdict, self._sources)), "draws": list(map(asdict, sourced.draws))}
        if self._unlabelled or len(rows["rest"]):
            rows["unlabelled"], became = sourced.select_unlabelled(rows)
            empty = self._unlabelled - int((labels < 0).sum())
            facts["unlabelled"] = asdict(UnlabelledCounts(self._unlabelled, empty, **became))
        del rows["rest"]
        for name, values in (arrays | rows).items():
            with ArrayFile(self._folder / name, np.int64 if name in rows else np.int32) as file:
                file.append(values)
        total, kept = self._rows_of.total() - self._unlabelled, int((labels >= 0).sum())
        counts = Counts(total, copies.duplicates, copies.conflicts, total - kept, int(ordered.sum()))
        sizes = {name: self._rows_of[name] for name in self._corpus_names}
        facts |= {"counts": asdict(counts), "labels": order, "corpora": sizes, "continuous": continuous}
        if several:
            facts["classes"] = classes
        return facts | ({"uneven": asdict(uneven)} if uneven else {})


def _refuse_drawing(sources: Iterable[Source]) -> None:
    """Refuse rows that are to be drawn by their label where each may have several.

    :raises DataError: naming the corpus.
    """
    if drawn := [source.name for source in sources if source.balance or (source.share < 1 and source.use == "dealt")]:
        raise DataError(
            "{corpus}: rows are drawn by their label, and these may have several: leave balance and share out of its "
            "table [[corpora]]",
            corpus=Path(drawn[0]).name,
        )


def _join_labels(names: Sequence[str], labels: NDArray[np.int32]) -> tuple[list[str], NDArray[np.int32]]:
    """Let every name be one of `Labels`, and those that are the same then be one.

    :param labels: positions in names ``(rows,)``, -1 for none.
    """
    joined = {name: at for at, name in enumerate(dict.fromkeys(map(as_labels, names)))}
    position = np.array([joined[as_labels(name)] for name in names], np.int32)
    return list(joined), np.where(labels < 0, labels, position[labels])


@dataclass(frozen=True)
class _SplitCheck:
    """Refuses a split from which nothing can be learnt or told; other shares are advised only if they would help.

    :param deal: rows by place, of a share for the test and one for validation.
    :param labels: of each row the position of its names ``(rows,)``.
    :param names: one label each or, where a text may have several, some.
    :param conflicts: texts that stood under several labels, and went.
    """

    deal: Callable[[float, float], dict[str, Ints]]
    labels: NDArray[np.int32]
    names: Sequence[Sequence[str]]
    conflicts: int
    labelled: bool

    def labels_of(self, rows: Ints) -> set[str]:
        """Return the labels of some rows."""
        return {name for i in np.unique(self.labels[rows]) for name in self.names[i]}

    def check(self, test: float, validation: float) -> None:
        """Raise what is wrong with a split, and say what to do.

        :raises DataError: naming what is lacking.
        """
        if self.labelled and len(names := {name for some in self.names for name in some}) < 2:
            what = (
                Sentence("only the label {names!r}", names=next(iter(names))) if names else Sentence("no labelled rows")
            )
            raise DataError("training needs rows of at least two labels, found: {what}", what=what)
        if fault := self._find_fault(test, validation):
            raise DataError("{fault}{remedy}", fault=fault, remedy=self._advise_shares(test, validation))

    def _find_fault(self, test: float, validation: float) -> str | None:
        rows = self.deal(test, validation)
        labels = {place: self.labels_of(numbers) for place, numbers in rows.items()}
        if self.labelled and len(labels["train"]) < 2:
            conflicts = (
                Sentence(" ({conflicts:,} texts stood under several labels and went)", conflicts=self.conflicts)
                if self.conflicts
                else ""
            )
            return Sentence(
                "the split left {train:,} rows to train on, of {labels} labels; at least two are "
                "needed{conflicts}: give more rows",
                train=len(rows["train"]),
                labels=len(labels["train"]),
                conflicts=conflicts,
            )
        if self.labelled and (lone := _find_lone_label(labels)):
            label, place = lone
            leave_out = (
                Sentence(", or --label {option} leaves it out", option=shlex.quote(label + "="))
                if "=" not in label
                else ""
            )
            return Sentence(
                "the label {label!r} stands in the {place} rows only: it needs more rows{leave_out}",
                label=label,
                place=Sentence(place),
                leave_out=leave_out,
            )
        for place in ("train", "validation") if validation else ("train",):
            if not len(rows[place]):
                total = sum(map(len, rows.values()))
                return Sentence(
                    "{total:,} rows are too few: none fell into {place}; give more", total=total, place=Sentence(place)
                )
        return None

    def _advise_shares(self, test: float, validation: float) -> str:
        """``, or other shares by --set …`` that would do, the nearest first; nothing for rows that are simply few."""
        if sum(map(len, self.deal(test, validation).values())) < ENOUGH:
            return ""
        pairs = [
            (t, v)
            for t in {test, *SHARES}
            for v in {validation, *SHARES}
            if t + v < 0.9 and bool(t) == bool(test) and bool(v) == bool(validation)
        ]
        for pair in sorted(pairs, key=lambda pair: (abs(pair[0] - test) + abs(pair[1] - validation), pair)):
            if self._find_fault(*pair) is None:
                return Sentence(
                    ", or other shares by --set test={test:g} --set validation={validation:g}",
                    test=pair[0],
                    validation=pair[1],
                )
        return ""


def _find_lone_label(labels: Mapping[str, set[str]]) -> tuple[str, str] | None:
    """Return a label that stands in validation or test rows alone, and which of them."""
    pairs = ((label, place) for place in ("validation", "test") for label in sorted(labels[place] - labels["train"]))
    return next(pairs, None)


class StoredTokens:
    """The tokens of documents on disk, to be read as often as an embedding likes: each time lists of strings.

    A token is a number on disk: its code point where all tokens are characters, else its place in a list.
    """

    def __init__(self, folder: Path) -> None:
        self._units = folder / "units"
        self._starts = np.fromfile(folder / "starts", np.int64)
        names = folder / "tokens.json"
        self._names: list[str] | None = json.loads(names.read_text("utf-8")) if names.exists() else None

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[list[str]]:
        for block in self.blocks():
            yield from block.lists()

    def blocks(self) -> Iterator[Tokens]:
        """Yield the tokens of some documents after the other."""
        for at in range(0, len(self), BLOCK):
            starts = self._starts[at : at + BLOCK + 1]
            units = self._read(int(starts[0]), int(starts[-1]))
            yield Tokens(units if self._names is None else [self._names[i] for i in units.tolist()], starts - starts[0])

    def count_longer(self, length: float) -> int:
        """Count the documents of more than so many tokens."""
        return int((np.diff(self._starts) > length).sum())

    def counts(self) -> dict[str, int]:
        """How often each token stands in the documents."""
        size = 0x110000 if self._names is None else len(self._names)
        total = np.zeros(size, dtype=np.int64)
        for at in range(0, int(self._starts[-1]), COUNTED):
            total += np.bincount(self._read(at, min(at + COUNTED, int(self._starts[-1]))), minlength=size)
        units = np.flatnonzero(total).tolist()
        names = map(chr, units) if self._names is None else (self._names[i] for i in units)
        return dict(zip(names, total[units].tolist(), strict=True))

    def _read(self, begin: int, end: int) -> NDArray[np.uint32]:
        """Read some numbers: what is mapped and looked at would stay in memory."""
        return np.fromfile(self._units, np.uint32, end - begin, offset=begin * 4)


def store_tokens(blocks: Iterable[Tokens], folder: Path) -> Iterator[int]:
    """Write tokens for `StoredTokens`; the iterator does it, and yields how many documents it wrote so far."""
    names: dict[str, int] = {}
    count = total = 0
    with ArrayFile(folder / "units", np.uint32) as units, ArrayFile(folder / "starts", np.int64) as starts:
        starts.append([0])
        for block in blocks:
            are_numbers = isinstance(block.units, np.ndarray)
            units.append(block.units if are_numbers else [names.setdefault(token, len(names)) for token in block.units])
            starts.append(block.starts[1:] + total)
            total += len(block.units)
            count += len(block.starts) - 1
            yield count
    if names:
        write_synced(folder / "tokens.json", json.dumps(list(names)).encode())


def store_ids(blocks: Iterable[Tokens], vocabulary: Vocabulary, max_length: int, path: Path) -> Iterator[int]:
    """Write the ids of documents for `map_rows`; the iterator does it, and yields how many it wrote so far."""
    count = total = 0
    with (
        ArrayFile(path.with_suffix(".ids"), np.int32) as file,
        ArrayFile(path.with_suffix(".starts"), np.int64) as starts,
    ):
        starts.append([0])
        for block in blocks:
            ids = vocabulary.encode(block)
            rows = (ids.truncated(max_length) if max_length else ids).rows()
            ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
            file.append(np.concatenate(rows))
            starts.append(ends + total)
            total += int(ends[-1])
            count += len(rows)
            yield count


def map_rows(path: Path, labels: NDArray[np.int64], pieces: int = 0) -> Rows:
    """Rows as `store_ids` left them.

    :param pieces: ids that each token has; 0: one, and no axis for it.
    """
    ids = map_array(path.with_suffix(".ids"), np.int32)
    starts = np.asarray(map_array(path.with_suffix(".starts"), np.int64))
    return Rows(ids.reshape(-1, pieces) if pieces else ids, starts, labels)


@contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder to write into, which is moved to ``folder`` when all went well: what is there is whole."""
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)  # a full disk should not stay full
        raise
    new.replace(folder)
