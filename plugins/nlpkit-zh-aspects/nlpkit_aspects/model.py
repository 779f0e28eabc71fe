"""An opinion model: text → sentences → tokens → numbers of a network → opinions, where they stand in the text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nlpkit import SavedModel, SettingError
from nlpkit.model import Bundle
from nlpkit.text import Row, answer_rows, check_texts, unfit

from nlpkit_aspects.inference import AspectsMember, open_member
from nlpkit_aspects.opinions import Opinion, Opinions, split_sentences

TOGETHER = 256  # texts whose sentences go through the network together
NONE, EMPTY = "no opinion", "empty"
TOLERANCE = 0.02  # between a sample's recorded and its present probability


class AspectsModel(SavedModel):
    """A model that says what a text thinks of what, read from a bundle.

    >>> import nlpkit
    >>> nlpkit.load("restaurant-opinions").find(["房间很大，就是隔音不好"])  # doctest: +SKIP
    [Opinions(opinions=[Opinion(target=(0, 2), opinion=(2, 4), polarity='positive', …), …], reason=None)]

    :raises BundleError: if the bundle is damaged or was made for another task.
    """

    task = "aspects"
    default = "restaurant-opinions"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        with bundle.report_damage("config.json"):
            (self._entry,) = self.entries

    def find(self, texts: Iterable[str], *, min_probability: float = 0.0, jobs: int | None = None) -> list[Opinions]:
        """Find the opinions of each text, in the order of the text.

        :param min_probability: leave out those that are less sure.
        :param jobs: processes that look; 0: one a core.
        :raises SettingError: if texts come as one string.
        """
        check_texts(texts, "look for opinions in")
        find = partial(AspectsModel._find, least=min_probability)
        return [opinions for _, found in self.map(find, _cut(texts), jobs=jobs) for opinions in found]

    def finder(
        self,
        *,
        min_probability: float = 0.0,
        by: str | None = None,
        targets: Path | None = None,
    ) -> Callable[[Sequence[Row]], list[Opinions]]:
        """Return what finds the opinions of rows of a file; see `find`.

        :param by: how they are summed up, as ``targets`` is: no matter of the model's.
        :raises SettingError: for words of targets without the sums that want them.
        """
        if targets is not None and by is None:
            raise SettingError("--targets is of sums: say --by target, too")

        def find(texts: Iterable[str]) -> list[Opinions]:
            return self.find(texts, min_probability=min_probability)

        return lambda rows: answer_rows(rows, find, lambda fault: Opinions([], fault))

    def member(self) -> AspectsMember:
        """Return its network, opened when first asked."""
        return self.open_part(0, self._open)

    def warm(self) -> None:
        """Open the network and answer once."""
        self.find(["好"])

    def sample(self, text: str) -> dict[str, Any]:
        """Answer a text as samples.json holds it, for `check`."""
        (answer,) = self.find([text])
        return {"text": text, "opinions": [one.to_json() for one in answer.opinions], "reason": answer.reason}

    def compare(self, sample: Mapping[str, Any]) -> str | None:
        """Answer one of the bundle's samples again."""
        (answer,) = self.find([sample["text"]])
        found = [one.to_json() for one in answer.opinions]
        if len(found) == len(sample["opinions"]) and all(map(_is_same, found, sample["opinions"])):
            return None
        return f"{sample['text']!r}: expected {sample['opinions'] or None}, found {found or None}"

    def _open(self) -> AspectsMember:
        with self.bundle.report_damage(self._entry["name"]):
            return open_member(self.bundle, self._entry, self.normaliser)

    def _find(self, texts: Sequence[str], least: float) -> list[Opinions]:
        reasons = [unfit(text) or (None if text.strip() else EMPTY) for text in texts]
        places = [
            (row, begin, end)
            for row, (text, reason) in enumerate(zip(texts, reasons, strict=True))
            if reason is None
            for begin, end in split_sentences(text)
        ]
        sentences = [texts[row][begin:end] for row, begin, end in places]
        opinions: list[list[Opinion]] = [[] for _ in texts]
        for (row, begin, _), found in zip(places, self.member().find(sentences), strict=True):
            opinions[row] += [one.moved(begin) for one in found if (one.probability or 0.0) >= least]
        return [
            Opinions(found, reason or (None if found else NONE))
            for found, reason in zip(opinions, reasons, strict=True)
        ]


def _cut(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield so many texts as go through the network together."""
    coming = iter(texts)
    return iter(lambda: list(itertools.islice(coming, TOGETHER)), [])


def _is_same(one: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Tell whether an opinion is one that was recorded, and about as sure."""
    spans = all(_as_list(one[name]) == _as_list(recorded[name]) for name in ("target", "opinion"))
    return (
        spans and one["label"] == recorded["label"] and abs(one["probability"] - recorded["probability"]) <= TOLERANCE
    )


def _as_list(span: Sequence[int] | None) -> list[int] | None:
    return None if span is None else list(span)
