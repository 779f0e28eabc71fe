"""Figures of a cloze model on items."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nlpkit.components.decoders import Bits, CodeDecoder, Positions, unpack
from nlpkit.errors import Sentence, headings
from nlpkit.model.bundle import ARRAYS
from nlpkit.model.members import Floats, load_arrays
from nlpkit.tasks.cloze.blanks import Blank, blanks_of, split_at_blanks
from nlpkit.tasks.cloze.inference import FillingNetwork
from nlpkit.tasks.cloze.items import Item, blank_words, draw_items, read_words
from nlpkit.tasks.cloze.model import ClozeModel
from nlpkit.tasks.metrics import Metrics
from nlpkit.text.blocks import blocks_of
from nlpkit.text.corpus import Example
from nlpkit.text.vocabulary import Ints

LEAST_ITEMS = 20  # of which none is found without chance being an excuse
BLOCK = 1024  # items measured together, so that the network gets batches of similar length
NEVER = np.iinfo(np.int64).max  # the rank of an answer that the model does not know


@dataclass(frozen=True)
class BitMetrics:
    """How well a network predicts the bits of the right words' codes.

    :param accuracy: share of bits that come out right.
    :param majority: the same for whoever always says what most words of the training texts have at that bit.
    """

    bits: int
    accuracy: float
    majority: float


@dataclass(frozen=True)
class ClozeMetrics(Metrics):
    """Figures over ``items`` blanks.

    :param candidates: words that competed for each place.
    :param unknown: items whose answer is not among them; they count as wrong.
    :param top1: per cent of items whose answer was the best; ``top5`` and ``top10`` likewise.
    :param mrr10: mean over items of 1 / rank, 0 from the eleventh on.
    :param bits: where a member's output is binary codes, over the items with a known answer.
    """

    items: int
    candidates: int
    unknown: int
    top1: float
    top5: float
    top10: float
    mrr10: float
    bits: BitMetrics | None = None
    of = Sentence("items of")
    columns = headings(">items", ">words", ">unknown", ">top-1 %", ">top-5 %", ">top-10 %", ">MRR@10")

    @property
    def rows_measured(self) -> int:
        """Items."""
        return self.items

    def nothing(self, options: Mapping[str, Any]) -> str:
        """Say that no text had a word to blank."""
        return Sentence(
            "no text of at least {min_words} Chinese words (--min-words) with one to blank that the "
            "model can say and is not among the {skip_frequent} most frequent (--skip-frequent); "
            'items of your own are lines {{"text": "…__…", "answer": "…"}}, each with one blank',
            min_words=options["min_words"],
            skip_frequent=options["skip_frequent"],
        )

    def cells(self) -> tuple[str, ...]:
        """Return the figures as a row of the table."""
        shares = (f"{share:.1f}" for share in (self.top1, self.top5, self.top10))
        return f"{self.items:,}", f"{self.candidates:,}", f"{self.unknown:,}", *shares, f"{self.mrr10:.4f}"

    def remarks(self, name: str) -> Sequence[str]:
        """Return what there is of bits."""
        bits = self.bits
        if bits is None:
            return ()
        return [
            Sentence(
                "{name}: of the {bits} bits of a right word's code {accuracy:.1%} come out right; who always says the "
                "same has {majority:.1%}, and what that is worth in words is top-1 to top-10",
                name=name,
                bits=bits.bits,
                accuracy=bits.accuracy,
                majority=bits.majority,
            )
        ]

    def doubts(self, model: Any = None) -> Sequence[str]:  # noqa: ARG002
        """Say that the model finds none of the words."""
        if self.items < LEAST_ITEMS or self.top10:
            return ()
        if self.bits:
            found = "none of {items:,} answers is among the model's first ten: its codes tell no words apart"
        else:
            found = "none of {items:,} answers is among the model's first ten: it has learnt nothing of use"
        return [Sentence(found, items=self.items)]

    def to_json(self) -> dict[str, Any]:
        """Return all figures, percentages rounded to two places, others to four."""
        figures = asdict(self) | {name: round(getattr(self, name), 2) for name in ("top1", "top5", "top10")}
        if self.bits:
            figures["bits"] = {name: round(value, 4) for name, value in figures["bits"].items()}
        return figures | {"mrr10": round(self.mrr10, 4)}


def measure(
    model: ClozeModel,
    examples: Iterable[Example],
    *,
    lexicon: Path | None = None,
    seed: int = 0,
    skip_frequent: int = 50,
    min_words: int = 5,
    all_words: bool = False,
    limit: int | None = None,
) -> ClozeMetrics:
    """Measure a model on texts, of which a word is blanked, or on items: see `nlpkit.tasks.cloze.task.MeasureOptions`.

    :param examples: those that have a label are items, of which that is the answer.
    """
    examples = iter(examples)
    first = next(examples, None)
    examples = itertools.chain([] if first is None else [first], examples)
    if first is not None and first.label:
        items: Iterable[Item] = (Item(example.text, example.label) for example in examples)
    else:
        items = blank_words(
            normalise(model, examples),
            model.tokenizer,
            model.words,
            seed=seed,
            skip_frequent=skip_frequent,
            min_words=min_words,
            every=all_words,
        )
    words = None if lexicon is None else read_words(lexicon)
    return measure_items(model, items if limit is None else draw_items(items, limit, seed), words)


def normalise(model: ClozeModel, examples: Iterable[Example]) -> Iterator[str]:
    """Yield the texts of examples as the model reads them."""
    for block in blocks_of(examples, BLOCK):
        yield from model.normaliser.batch([example.text for example in block])


def measure_items(model: ClozeModel, items: Iterable[Item], candidates: Iterable[str] | None = None) -> ClozeMetrics:
    """Rank all words, or some, at each blank, and see where the right one comes; of equals the more frequent is first.

    Items are measured as they come, and not held.

    :param items: each with one blank.
    :param candidates: words among which the right one is looked for; those that the model does not know never come.
    """
    among = model.candidates(lexicon=candidates).positions
    among = np.arange(len(model.words)) if among is None else among
    ranks, counts = [np.zeros(0, dtype=np.int64)], []
    for _, (of_block, bits) in model.map(partial(_rank_items, among=among), blocks_of(items, BLOCK)):
        ranks.append(of_block)
        counts += [bits] if bits else []
    return _make_metrics(np.concatenate(ranks), len(among), _sum_bits(counts))


def _rank_items(model: ClozeModel, items: Sequence[Item], *, among: Positions) -> tuple[Ints, _BitCount | None]:
    """Rank the right word of each item among some, and count bits if the model has any."""
    place = {model.words[position]: i for i, position in enumerate(among.tolist())}
    answers = model.normaliser.batch([item.answer for item in items])
    targets = np.array([place.get(answer, -1) for answer in answers], dtype=np.int64)
    blanks = item_blanks(model, items)
    ranks = np.concatenate([rank(logits[:, among], targets[rows]) for rows, logits in model.blocks(blanks)])
    known = np.flatnonzero(targets >= 0)
    return ranks, _count_bits(model, [blanks[i] for i in known], among[targets[known]])


def rank(logits: Floats, targets: Ints) -> Ints:
    """Count the words ``(n, words)`` that come before the right one ``(n,)``; `NEVER` where that is -1."""
    if not logits.shape[1]:
        return np.full(len(logits), NEVER)
    at = np.maximum(targets, 0)[:, None]
    right = np.take_along_axis(logits, at, 1)
    before = (logits > right) | ((logits == right) & (np.arange(logits.shape[1]) < at))
    return np.where(targets < 0, NEVER, before.sum(1))


def item_blanks(model: ClozeModel, items: Sequence[Item]) -> list[Blank]:
    """Return the blank of each item, with the model's tokens around it."""
    sides = [side for item in items for side in split_at_blanks(item.text)]
    tokens = model.tokenize(model.normaliser.batch(sides))
    return [blanks_of(pair)[0] for pair in zip(tokens[::2], tokens[1::2], strict=True)]


def _make_metrics(ranks: Ints, candidates: int, bits: BitMetrics | None) -> ClozeMetrics:
    items = len(ranks)
    top1, top5, top10 = (100 * int((ranks < k).sum()) / max(items, 1) for k in (1, 5, 10))
    return ClozeMetrics(
        items=items,
        candidates=candidates,
        unknown=int((ranks == NEVER).sum()),
        top1=top1,
        top5=top5,
        top10=top10,
        mrr10=float((1 / (ranks[ranks < 10] + 1)).sum()) / max(items, 1),
        bits=bits,
    )


class _BitCount(NamedTuple):
    """Bits of right words: how many a word has, how many there are, came out right, and are as in most words."""

    length: int
    bits: int
    right: int
    by_majority: int


def _count_bits(model: ClozeModel, blanks: Sequence[Blank], answers: Positions) -> _BitCount | None:
    """Count how many bits of the right words come out, at some blanks; None if no member puts out bits."""
    for position, entry in enumerate(model.bundle.config["members"]):
        member = model.member(position)
        if isinstance(member, FillingNetwork) and isinstance(member.decoder, CodeDecoder):
            packed = load_arrays(model.bundle.read(f"{entry['name']}/{ARRAYS}"))["codes"]
            return _compare_bits(member, blanks, answers, unpack(packed, member.decoder.codes.bits), model.counts)
    return None


def _compare_bits(
    member: FillingNetwork, blanks: Sequence[Blank], answers: Positions, codes: Bits, counts: Ints
) -> _BitCount:
    """Count bits.

    :param codes: of all words ``(answers, bits)``.
    :param counts: how often each word stood in the training texts ``(answers,)``.
    """
    if not blanks:
        return _BitCount(codes.shape[1], 0, 0, 0)
    expected = codes[answers]  # (batch, bits)
    majority = counts @ codes >= counts.sum() / 2  # (bits,)
    right = int(((member.outputs(blanks) > 0) == expected).sum())
    return _BitCount(codes.shape[1], expected.size, right, int((majority == expected).sum()))


def _sum_bits(counts: Sequence[_BitCount]) -> BitMetrics | None:
    """Return shares of all bits counted; None if there are none."""
    bits = sum(count.bits for count in counts)
    if not bits:
        return None
    right, by_majority = sum(count.right for count in counts), sum(count.by_majority for count in counts)
    return BitMetrics(counts[0].length, right / bits, by_majority / bits)
