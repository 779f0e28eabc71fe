"""How the corpora of a run are read: each as one was told, and for what it is there."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from nlpkit.errors import DataError, DataWarning, Sentence, SettingError, nearest
from nlpkit.plugins.options import Positive, Range
from nlpkit.text.catalogue import examples_of
from nlpkit.text.corpus import Example, label_and_file
from nlpkit.text.example import DEALT, Faults, Rest, Source, Use
from nlpkit.text.several import Labels, names_of

Part = Annotated[float, Range(0, 1, low_open=True)]


@dataclass(frozen=True, kw_only=True)
class TextCorpus:
    """How the texts of a corpus are read, and where they come from; what is not said is found out.

    :param file: as the command names it, or the last part of that: a file, a folder, or a name of the catalogue.
    :param source: where it comes from, and ``licence``, under which one as stated there; for the model's card.
    """

    file: str
    column: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    source: str = ""
    licence: str = ""

    def make_source(self, use: Use) -> Source:
        """Return what a run does with its rows."""
        return Source(use=use)


@dataclass(frozen=True, kw_only=True)
class CorpusSettings(TextCorpus):
    """How the labelled rows of a corpus are read and used; what is not said is as the command says, or is found out.

    :param label_separator: what stands between several labels of a text; ``label_columns``: columns of a label each.
    :param labels: names for the labels found in it, before those of the run; an empty name leaves their rows out.
    :param other_labels: keep the labels that ``labels`` does not name, or drop their rows.
    :param weight: of each of its training rows, beside 1 of others.
    :param balance: draw equally many rows of each label.
    :param share: of its rows that is drawn, for training and validation.
    :param rest: whether training rows that are not drawn are dropped, or train as rows without labels do, by a teacher.
    :param split: whether it is split as others are; false: all of its rows are trained on.
    """

    label_column: str | None = None
    label_separator: str | None = None
    label_columns: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    other_labels: Literal["keep", "drop"] = "keep"
    weight: Positive = 1.0
    balance: bool = False
    share: Part = 1.0
    rest: Rest = "drop"
    split: bool = True

    def make_source(self, use: Use) -> Source:
        """Return what a run does with its rows.

        :raises SettingError: for what goes not with their use.
        """
        table = Sentence("the table [[corpora]] of {file}", file=self.file)
        columns = self.label_column or self.label_separator or self.label_columns
        if use == "unlabelled" and (self.balance or self.labels or columns or self.other_labels == "drop"):
            raise SettingError("{table} speaks of labels, and its rows are used without: leave that out", table=table)
        if use != "dealt" and not self.split:
            raise SettingError(
                "{table} says split = false, and its rows are {use}: leave one out", table=table, use=use
            )
        if use == "validation" and self.weight != 1:
            raise SettingError(
                "{table} says weight = {weight}, which is for training: say validation_share",
                table=table,
                weight=self.weight,
            )
        if self.rest == "teach" and (use != "dealt" or (not self.balance and self.share == 1)):
            raise SettingError("{table} says rest, and all of its rows are used: say balance or share", table=table)
        use = use if self.split else "train"
        return Source("", use, float(self.weight), self.balance, float(self.share), self.rest)


class Reader:
    """Reads the corpora of a run.

    :param corpora: as the command names them.
    """

    def __init__(self, corpora: Sequence[str]) -> None:
        self.corpora: list[str] = list(corpora)  # in their order, those among them that the settings name
        self.unused: list[str] = []  # corpora that the settings speak of, and that are not there

    def __call__(self, corpus: str, *, faults: Faults, **query: Any) -> Iterator[Example]:
        """Read one of them; more is what `nlpkit.text.corpus.read_examples` takes."""
        return examples_of(corpus, faults=faults, **query)


class MixtureReader(Reader):
    """Reads corpora as tables say, first those that are all for validation, last those without labels.

    :param corpora: as the command names them; where it names none that is to be split, those of the tables.
    :param tables: which file is read how.
    :param validation: corpora that are all for validation; where such a file lies, the command may say.
    :param unlabelled: likewise corpora that are read without labels.
    :raises SettingError: where they contradict each other.
    """

    def __init__(
        self,
        corpora: Sequence[str],
        tables: Sequence[TextCorpus],
        validation: Sequence[str] = (),
        unlabelled: Sequence[str] = (),
    ) -> None:
        named = [table.file for table in tables]
        if twice := [name for name in named if named.count(name) > 1]:
            raise SettingError("two tables [[corpora]] are of {name}: join them", name=twice[0])
        own: list[tuple[Use, list[str]]] = [
            ("validation", [_locate(name, corpora) for name in validation]),
            ("unlabelled", [_locate(name, corpora) for name in unlabelled]),
        ]
        others = [argument for _, arguments in own for argument in arguments]
        dealt = [argument for argument in corpora if argument not in others]
        dealt = dealt or [name for name in named if not any(_fits(name, other) for other in others)]
        self._tables: dict[str, TextCorpus] = {}
        self._sources: dict[str, Source] = {}
        super().__init__([])
        for use, arguments in (own[0], ("dealt", dealt), own[1]):
            for argument in arguments:
                self._add(argument, use, tables)
        self.unused = [name for name in named if not any(_fits(name, argument) for argument in self.corpora)]

    def _add(self, argument: str, use: Use, tables: Sequence[TextCorpus]) -> None:
        """Take a corpus for something.

        :raises SettingError: if it was taken for something else.
        """
        if use == "unlabelled" and argument in self._sources and self._sources[argument].use == "validation":
            raise SettingError(
                "{name} stands among validation_corpora and among unlabelled: leave it out of one", name=argument
            )
        table = next((table for table in tables if _fits(table.file, argument)), CorpusSettings(file=argument))
        source = table.make_source(use)
        self.corpora.append(argument)
        self._tables[argument] = table
        self._sources[argument] = DEALT if source == DEALT else replace(source, name=argument)

    def __call__(self, corpus: str, *, faults: Faults, **query: Any) -> Iterator[Example]:
        """Read one of them under the labels that its table gives them.

        :raises DataError: at its end, if it has none of the labels that the table names.
        """
        table, source = self._tables[corpus], self._sources[corpus]
        for name in ("column", "label_column", "label_separator", "label_columns", "encoding", "sheet"):
            query[name] = getattr(table, name, None) or query.get(name)
        renames = table.labels if isinstance(table, CorpusSettings) else {}
        query["kept"] = {*query.get("kept", ()), *renames}
        if source.use == "unlabelled":
            query |= {"answer": None, "label_column": None, "label_columns": None, "label_separator": None}
        examples = examples_of(corpus, faults=faults, **query)
        if isinstance(table, CorpusSettings) and (renames or table.other_labels == "drop"):
            examples = _relabel(examples, corpus, table, faults)
        for e in examples:
            e.source = source
            yield e


def name_of(corpus: str) -> str:
    """Name a corpus by the last part of its path; where it lies is nobody's business.

    >>> name_of("/home/me/goods.csv"), name_of("waimai_10k"), name_of("good=praise/1.txt")
    ('goods.csv', 'waimai_10k', 'good=1.txt')
    """
    label, path = label_and_file(corpus)
    return f"{label}={path.name}" if label is not None else Path(corpus).name


def _fits(table: str, argument: str) -> bool:
    """Tell whether a table is of a corpus that the command names so."""
    return table in (argument, name_of(argument))


def _locate(name: str, corpora: Sequence[str]) -> str:
    """Return the corpus that the command names so, or else the name itself."""
    return next((argument for argument in corpora if _fits(name, argument)), name)


def _relabel(examples: Iterator[Example], corpus: str, table: CorpusSettings, faults: Faults) -> Iterator[Example]:
    """Put examples under the names of a table; count those that it leaves out."""
    found: set[str] = set()
    for e in examples:
        found.update(names_of(e.label))
        if isinstance(e.label, Labels):
            e.label = e.label.renamed(table.labels, others=table.other_labels == "keep")
            yield e
            continue
        label = table.labels.get(e.label, "" if table.other_labels == "drop" else e.label)
        if label:
            e.label = label
            yield e
        else:
            faults[Sentence("labelled {label!r} in {corpus}, as asked", label=e.label, corpus=name_of(corpus))] += 1
    if found:
        _check_named(corpus, table.labels, found)


def _check_named(corpus: str, labels: Mapping[str, str], found: Collection[str]) -> None:
    """Tell of names for labels that are not there; refuse them if none of them is."""
    unknown = [label for label in labels if label not in found]
    if not unknown:
        return
    there_is = nearest(unknown[0], sorted(found))
    if len(unknown) == len(labels):
        raise DataError(
            "{corpus}: no row has any of the labels {names}{there_is}",
            corpus=corpus,
            names=", ".join(unknown),
            there_is=there_is,
        )
    warning = DataWarning(
        "{corpus}: no row has the label {names}{there_is}",
        corpus=corpus,
        names=", ".join(map(repr, unknown)),
        there_is=there_is,
    )
    warnings.warn(warning, stacklevel=2)
