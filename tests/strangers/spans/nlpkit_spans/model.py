"""Spans of texts: characters → ids → tags → spans."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from nlpkit import SavedModel
from nlpkit.model import VOCABULARY, open_graph
from nlpkit.tasks import Metrics
from nlpkit.text import Example, Row, Tokens, load_vocabulary, parse_json, unfit


class Tagged(NamedTuple):
    """Spans ``(begin, end, kind)`` of a text, or why there are none."""

    spans: list[tuple[int, int, str]] | None
    reason: str | None = None


class SpanModel(SavedModel):
    """A model that says where things stand."""

    task = "spans"

    def __init__(self, bundle):
        super().__init__(bundle)
        bundle.require("kinds")
        self.kinds = bundle.config["kinds"]

    def tag(self, texts: Sequence[str], kind: str | None = None) -> list[Tagged]:
        """Tag, in order."""
        return [self._tag(text, kind) for text in texts]

    def tagger(self, *, kind: str | None = None) -> Callable[[Sequence[Row]], list[Tagged]]:
        """Return what tags rows of a file."""
        return lambda rows: [Tagged(None, row.fault) if row.fault else self._tag(row.text, kind) for row in rows]

    def warm(self) -> None:
        """Answer once."""
        self.tag(["好"])

    def sample(self, text: str) -> dict[str, Any]:
        """A text and its spans."""
        return {"text": text, "spans": self._tag(text, None).spans}

    def compare(self, sample: Mapping[str, Any]) -> str | None:
        """Tag again."""
        spans = [list(span) for span in self._tag(sample["text"], None).spans or []]
        if spans == [list(span) for span in sample["spans"] or []]:
            return None
        return f"{sample['text']!r}: expected {sample['spans']}, found {spans}"

    def _tag(self, text: str, kind: str | None) -> Tagged:
        if fault := unfit(text) or (None if text.strip() else "empty"):
            return Tagged(None, fault)
        vocabulary, graph = self.open_part(0, self._open)
        ids, mask = vocabulary.encode(Tokens.of([list(text)])).padded()
        tags = graph.run("tags", ids=ids, mask=mask)[0].argmax(1)
        return Tagged([span for span in spans_of(tags, self.kinds) if kind in (None, span[2])])

    def _open(self) -> tuple[Any, Any]:
        name = self.entries[0]["name"]
        with self.bundle.report_damage(f"{name}/{VOCABULARY}"):
            return load_vocabulary(self.bundle.read(f"{name}/{VOCABULARY}")), open_graph(self.bundle, name)


def tags_of(text: str, spans: Sequence[Sequence[Any]], kinds: Sequence[str]) -> np.ndarray:
    """A tag a character: 0, or two a kind, for the first and for the others."""
    tags = np.zeros(len(text), dtype=np.int64)
    for begin, end, kind in spans:
        tags[begin:end] = 2 + 2 * kinds.index(kind)
        tags[begin] -= 1
    return tags


def spans_of(tags: Sequence[int], kinds: Sequence[str]) -> list[tuple[int, int, str]]:
    """What `tags_of` was given."""
    spans: list[tuple[int, int, str]] = []
    for at, tag in enumerate([int(tag) for tag in tags]):
        kind = kinds[(tag - 1) // 2] if tag else ""
        if tag and not tag % 2 and spans and spans[-1][1] == at and spans[-1][2] == kind:
            spans[-1] = (spans[-1][0], at + 1, kind)
        elif tag:
            spans.append((at, at + 1, kind))
    return spans


@dataclass(frozen=True)
class SpanMetrics(Metrics):
    """How many spans are right."""

    rows: int
    precision: float
    recall: float
    columns = (">rows", ">precision", ">recall")

    @property
    def rows_measured(self) -> int:
        """All of them."""
        return self.rows

    def cells(self) -> tuple[str, ...]:
        """All figures."""
        return f"{self.rows}", f"{self.precision:.3f}", f"{self.recall:.3f}"

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return asdict(self)


def measure(model: SpanModel, examples: Iterable[Example]) -> SpanMetrics:
    """Compare spans."""
    rows = right = told = true = 0
    for example in examples:
        expected = {tuple(span) for span in parse_json(example.label)}
        found = set(model.tag([example.text])[0].spans or [])
        rows, right, told, true = rows + 1, right + len(expected & found), told + len(found), true + len(expected)
    return SpanMetrics(rows, round(right / max(told, 1), 4), round(right / max(true, 1), 4))
