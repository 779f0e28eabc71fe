"""A member of an opinion model as inference runs it: sentences in, opinions out; never torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nlpkit import Tokenizer
from nlpkit.model import TOKENIZER, VOCABULARY, Bundle, check_length, open_graph, open_tokenizer, require_torch
from nlpkit.text import Ids, Normaliser, Vocabulary, load_vocabulary, token_spans
from numpy.typing import NDArray

from nlpkit_aspects.marks import Decoding, decode
from nlpkit_aspects.opinions import Opinion, Span

BATCH = 32  # pieces of similar length that go through the network together


class AspectsMember:
    """A network, and what stands before and behind it.

    :param run: maps ``ids`` and ``mask`` ``(batch, time)`` to numbers ``(batch, time, OWN + time)``.
    :param max_length: tokens that are read together.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        normaliser: Normaliser,
        vocabulary: Vocabulary,
        run: Callable[..., NDArray[Any]],
        max_length: int,
        decoding: Decoding,
    ) -> None:
        self.tokenizer, self.run = tokenizer, run
        self._normaliser, self._vocabulary = normaliser, vocabulary
        self._max_length, self._decoding = check_length(max_length, 2), decoding

    def find(self, sentences: Sequence[str]) -> list[list[Opinion]]:
        """Find the opinions of each sentence; what is found in one does not depend on the others."""
        tokens, spans = token_spans(sentences, self.tokenizer, self._normaliser)
        pieces = [
            (row, begin, ids[begin : begin + self._max_length])
            for row, ids in enumerate(self._vocabulary.encode(tokens).rows())
            for begin in range(0, len(ids), self._max_length)
        ]
        found: list[list[Opinion]] = [[] for _ in sentences]
        order = sorted(range(len(pieces)), key=lambda at: len(pieces[at][2]))
        for first in range(0, len(order), BATCH):
            some = [pieces[at] for at in order[first : first + BATCH]]
            ids, mask = Ids.of([piece for _, _, piece in some]).padded()
            for (row, begin, _), opinions in zip(
                some, decode(self.run(ids=ids, mask=mask), mask.sum(1), self._decoding), strict=True
            ):
                found[row] += [_place(opinion.moved(begin), spans[row]) for opinion in opinions]
        return [sorted(opinions, key=lambda one: (one.opinion, one.target or (0, 0))) for opinions in found]


def _place(opinion: Opinion, spans: Sequence[Span]) -> Opinion:
    """Return an opinion whose spans are counted in characters and not in tokens."""

    def place(span: Span) -> Span:
        return spans[span[0]][0], max(end for _, end in spans[span[0] : span[1]])

    target = None if opinion.target is None else place(opinion.target)
    return Opinion(target, place(opinion.opinion), opinion.polarity, opinion.probability)


def open_member(bundle: Bundle, entry: Mapping[str, Any], normaliser: Normaliser) -> AspectsMember:
    """Make the member that an entry of config.json describes.

    :raises MissingPlugin: if its tokenizer is not installed.
    :raises MissingExtra: if it needs torch, which is not installed.
    :raises BundleError: if its files are damaged.
    """
    name = entry["name"]
    tokenizer = open_tokenizer(bundle, entry["tokenizer"], f"{name}/{TOKENIZER}", normaliser)
    with bundle.report_damage(f"{name}/{VOCABULARY}"):
        vocabulary = load_vocabulary(bundle.read(f"{name}/{VOCABULARY}"))
    decoding = Decoding(float(entry["decoding"]["outside"]), float(entry["decoding"]["pair"]))
    return AspectsMember(
        tokenizer, normaliser, vocabulary, _open_run(bundle, entry, vocabulary), entry["max_length"], decoding
    )


def _open_run(bundle: Bundle, entry: Mapping[str, Any], vocabulary: Vocabulary) -> Callable[..., NDArray[Any]]:
    if entry["runtime"] not in ("graph", "torch"):
        raise ValueError(f"the runtime {entry['runtime']!r:.40} is unknown")
    if entry["runtime"] == "graph":
        graph = open_graph(bundle, entry["name"])
        return lambda ids, mask: graph.run("numbers", ids=ids, mask=mask)
    require_torch(bundle, entry["name"])  # the one way by which inference needs it
    from nlpkit_aspects.network import restore

    network = restore(bundle, entry, vocabulary)
    return network.run
