"""A run on a mixture of corpora: weighed, drawn, some for validation alone, some without labels, told by a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, Sentence, SettingError, join
from nlpkit.plugins.options import Positive, Range
from nlpkit.text.split import PLACES
from nlpkit.training.reading import CorpusSettings, MixtureReader, name_of
from nlpkit.training.settings import LabelledRunSettings

if TYPE_CHECKING:  # it imports torch, and settings are looked at without
    from nlpkit.training.storage import StoredCorpus

TAUGHT = "taught"  # the place of rows without labels that a teacher has an answer to
ORDINARY = "ordinary rows"  # of validation: those that were dealt out
Whole = Annotated[float, Range(0, 1)]
Open = Annotated[float, Range(0, 1, low_open=True, high_open=True)]


@dataclass(frozen=True)
class TeacherSettings:
    """By what model a run is taught, and how much that counts (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).

    :param model: its name or its folder; empty: by none.
    :param weight: share of its probabilities in the loss of a row that has a label.
    :param temperature: by which its logits and the student's are divided before they are compared.
    """

    model: str = ""
    weight: Whole = 0.5
    temperature: Positive = 1.0


@dataclass(frozen=True, kw_only=True)
class MixtureRunSettings(LabelledRunSettings):
    """What a run on a mixture of corpora is told.

    :param corpora: how files are read and used; the corpora themselves, where the command names none.
    :param unlabelled: files of texts that train by a teacher's probabilities alone.
    :param validation_corpora: files of which all rows are for validation.
    :param validation_share: how much these count together among validation rows, each as much as another; not said:
        every row counts as much as any other.
    """

    corpora: tuple[CorpusSettings, ...] = ()
    unlabelled: tuple[str, ...] = ()
    validation_corpora: tuple[str, ...] = ()
    validation_share: Open | None = None
    teacher: TeacherSettings = TeacherSettings()
    own: ClassVar[tuple[str, ...]] = (
        *LabelledRunSettings.own,
        *("corpora", "unlabelled", "validation_corpora", "validation_share", "teacher"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reader([])
        if self.unlabelled and not self.teacher.model:
            raise SettingError(
                "{files} have no labels: say by --teacher which model gives them", files=", ".join(self.unlabelled)
            )
        if (taught := [table.file for table in self.corpora if table.rest == "teach"]) and not self.teacher.model:
            raise SettingError(
                "the rest of {files} is to be taught: say by --teacher which model does", files=", ".join(taught)
            )
        if self.teacher != TeacherSettings() and not self.teacher.model:
            raise SettingError("the table [teacher] names no model: say it there, or by --teacher")
        if self.validation_share is not None and not self.validation_corpora:
            raise SettingError("validation_share is that of validation_corpora, of which there are none")

    def reader(self, corpora: Sequence[str]) -> MixtureReader:
        """Return what reads them as the tables say."""
        return MixtureReader(corpora, self.corpora, self.validation_corpora, self.unlabelled)

    def record(self) -> dict[str, Any]:
        """Return all settings, files and folders by their last parts alone."""
        table = super().record()
        for name in ("unlabelled", "validation_corpora"):
            table[name] = list(map(name_of, table[name]))
        for corpus in table["corpora"]:
            corpus["file"] = name_of(corpus["file"])
        table["teacher"]["model"] = Path(self.teacher.model).name
        return table


def group_validation(corpus: StoredCorpus) -> dict[str, NDArray[np.int64]]:
    """Numbers of the validation rows that were dealt out, and of those of each corpus that is for validation alone."""
    owners = corpus.source_of("validation")
    own = {n: name_of(source.name) for n, source in enumerate(corpus.sources) if source.use == "validation"}
    groups = {ORDINARY: np.flatnonzero(~np.isin(owners, list(own)))}
    groups |= {name: np.flatnonzero(owners == number) for number, name in own.items()}
    return {name: rows for name, rows in groups.items() if len(rows)}


def weigh_validation(corpus: StoredCorpus, share: float | None) -> NDArray[np.float64] | None:
    """Return what each validation row counts ``(rows,)``, 1 on average; None where one counts as much as any other.

    :param share: of the corpora that are for validation alone, each as much as another.
    """
    groups = group_validation(corpus)
    if share is None or len(groups) < 2 or ORDINARY not in groups:
        return None
    weights = np.empty(sum(map(len, groups.values())))
    for name, rows in groups.items():
        part = 1 - share if name == ORDINARY else share / (len(groups) - 1)
        weights[rows] = part * len(weights) / len(rows)
    return weights


def weigh_rows(corpus: StoredCorpus, *places: str) -> NDArray[np.float32] | None:
    """Return what each row of some places counts ``(rows,)``, 1 on average; None where one counts as much as any."""
    if all(source.weight == 1 for source in corpus.sources):
        return None
    weights = np.array([source.weight for source in corpus.sources])
    found: NDArray[np.float64] = weights[np.concatenate([corpus.source_of(place) for place in places])]
    return np.asarray(found / found.mean(), dtype=np.float32)


def check_validation(corpus: StoredCorpus, most: int) -> None:
    """Refuse rows for validation alone that would not be looked at when members are mixed.

    :param most: validation rows that are looked at, the first ones.
    :raises DataError: saying how many there may be.
    """
    own = [rows for name, rows in group_validation(corpus).items() if name != ORDINARY]
    if any(rows[-1] >= most for rows in own):
        raise DataError(
            "validation_corpora hold {rows:,} rows, and of all validation rows the first {most:,} are used: give "
            "fewer, or a smaller share in their tables [[corpora]]",
            rows=sum(map(len, own)),
            most=most,
        )


def describe_mixture(corpus: StoredCorpus) -> dict[str, Any]:
    """Return what config.json says of the mixture; nothing where all rows are simply dealt out."""
    if not corpus.sources:
        return {}
    draws = {draw.name: draw for draw in corpus.draws}
    owners = {place: corpus.source_of(place) for place in PLACES}
    tables = []
    for number, source in enumerate(corpus.sources):
        if source.name:
            rows = {place: int((of == number).sum()) for place, of in owners.items()}
            table = asdict(source) | {"name": name_of(source.name)}
            if source.use == "unlabelled":
                place = TAUGHT if corpus.has_place(TAUGHT) else "unlabelled"
                rows = {"unlabelled": int((corpus.source_of(place) == number).sum())}
            if draw := draws.get(source.name):
                table |= {"drawn": dict(draw.rows), "of": dict(draw.of)}
            tables.append(table | {"rows": rows})
    facts: dict[str, Any] = {"mixture": tables}
    if corpus.unlabelled:
        facts["unlabelled"] = asdict(corpus.unlabelled)
    return facts


def tell_mixture(corpus: StoredCorpus, validation_share: float | None) -> Iterator[Sentence]:
    """Say what became of rows that were not simply dealt out."""
    for table in describe_mixture(corpus).get("mixture", []):
        yield from _tell_table(table)
    if validation_share is not None:
        yield Sentence(
            "validation: {share:g} of what counts are {names}",
            share=validation_share,
            names=", ".join(name for name in group_validation(corpus) if name != ORDINARY),
        )
    if of := corpus.unlabelled:
        yield Sentence(
            "{rows:,} rows without labels; dropped: {copies:,} copies, {trained:,} that are labelled training rows, "
            "{held_out:,} that are validation or test rows, {empty:,} without letters{left}{rest}",
            rows=of.rows,
            copies=of.copies,
            trained=of.trained,
            held_out=of.held_out,
            empty=of.empty,
            left=Sentence("; {left:,} were not drawn", left=of.left) if of.left else "",
            rest=Sentence("; beside them {rest:,} labelled ones that were not drawn", rest=of.rest) if of.rest else "",
        )


def _tell_table(table: Mapping[str, Any]) -> Iterator[Sentence]:
    name, rows = table["name"], table["rows"]
    if "drawn" in table and sum(table["of"].values()):
        drawn = join(
            Sentence("{label} {count:,} of {of:,}", label=label, count=count, of=table["of"][label])
            for label, count in table["drawn"].items()
        )
        yield Sentence("{name}: drawn for training: {drawn}", name=name, drawn=drawn)
    if table["use"] == "validation":
        yield Sentence("{name}: {rows:,} rows, all for validation", name=name, rows=rows["validation"])
    if table["use"] == "train":
        yield Sentence("{name}: {rows:,} rows, all for training", name=name, rows=rows["train"])
    if table["weight"] != 1:
        yield Sentence("{name}: each row weighs {weight:g}", name=name, weight=table["weight"])
