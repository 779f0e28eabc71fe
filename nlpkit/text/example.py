"""An example of a corpus, and what is wrong with the rows that make none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from nlpkit.errors import Sentence, join
from nlpkit.text.line_numbers import MOST_NAMED, Lines
from nlpkit.text.several import Labels

NO_LABEL = "no label"
UNWANTED = "of a label that is left out"
Use: TypeAlias = Literal["dealt", "train", "validation", "unlabelled"]
Rest: TypeAlias = Literal["drop", "teach"]


@dataclass(frozen=True)
class Source:
    """What a run does with the rows of a corpus.

    :param name: by which the corpus is told from others; two that differ in it are two.
    :param use: ``dealt`` out to training, validation and test; all for ``train``; all for ``validation``; or
        ``unlabelled``: for training by what a teacher says of them.
    :param weight: of each of its training rows.
    :param balance: equally many rows of each label are drawn for training, and as large a share of each label for
        validation; the test keeps all.
    :param share: of these rows that is drawn.
    :param rest: what becomes of training rows that are not: dropped, or trained on as if they were ``unlabelled``.
    """

    name: str = ""
    use: Use = "dealt"
    weight: float = 1.0
    balance: bool = False
    share: float = 1.0
    rest: Rest = "drop"


DEALT = Source()


@dataclass(slots=True)  # not frozen: that would make a million of them take three times as long
class Example:
    """A labelled text and the file that it came from.

    :param label: of a text that may have several, a `nlpkit.text.several.Labels`.
    :param source: what a run does with it.
    :param file: where it stands, and which of its rows it is, from 1; 0: all of it.
    :param line: on which it begins, or its place in an array of JSON.
    """

    text: str
    label: str
    corpus: str = ""
    group: str = ""
    source: Source = DEALT
    file: str = field(default="", compare=False)
    row: int = field(default=0, compare=False)
    line: int = field(default=0, compare=False)


class Faults(Counter[str]):
    """How many rows were left out for each reason, and where the first of them stand.

    >>> faults = Faults()
    >>> faults.add("no label", "a.csv", 3)
    >>> faults.add("no label", "a.csv", 17)
    >>> str(faults)
    '2 no label (a.csv, lines 3 and 17)'
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, dict[str, Lines]] = {}  # the first files of each reason
        self.no_labels: Counter[str] = Counter()  # words that were taken for none: ``nan``, ``null``

    def add(self, reason: str, file: str, line: int = 0, label: str | None = None) -> None:
        """Count a row; line 0 means the whole file.

        :param label: what stood for its label.
        """
        self[reason] += 1
        if reason == NO_LABEL and label and label.strip():
            self.no_labels[label.strip()] += 1
        files = self.places.setdefault(reason, {})
        if file in files or len(files) < MOST_NAMED:
            lines = files.setdefault(file, Lines())
            if line:
                lines.add(line)

    def __str__(self) -> str:
        return str(self.describe())

    def describe(self) -> Sentence:
        """Say them all, the most frequent first."""
        return join(
            Sentence("{n:,} {reason}{where}", n=count, reason=Sentence(reason), where=self._where(reason))
            for reason, count in self.most_common()
        )

    def _where(self, reason: str) -> str:
        files = self.places.get(reason)
        if not files:  # it was counted alone
            return ""
        places = [
            Sentence("{file}, {lines}", file=file, lines=lines.describe()) if lines else Sentence("{file}", file=file)
            for file, lines in files.items()
        ]
        more = self[reason] - sum(len(lines) or 1 for lines in files.values())
        if places and more > 0:
            places.append(Sentence("and {more:,} more", more=more))
        return Sentence(" ({places})", places=join(places, "; "))


def rename(examples: Iterable[Example], names: Mapping[str, str], faults: Faults | None = None) -> Iterator[Example]:
    """Put examples under the labels that ``names`` gives theirs; one renamed to nothing is left out.

    Those that are there without labels stay as they are, and of several labels only the one that is renamed to nothing
    goes.

    :param faults: counts those that are left out.
    """
    for e in examples:
        if e.source.use == "unlabelled":
            yield e
        elif isinstance(e.label, Labels):
            yield Example(e.text, e.label.renamed(names), e.corpus, e.group, e.source, e.file, e.row, e.line)
        elif label := names.get(e.label, e.label):
            yield Example(e.text, label, e.corpus, e.group, e.source, e.file, e.row, e.line)
        elif faults is not None:
            faults.add(UNWANTED, e.file, e.line)
