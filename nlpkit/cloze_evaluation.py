"""Figures of a cloze model on items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.bundle import ARRAYS
from nlpkit.cloze_items import Item
from nlpkit.inference.blanks import Blank, blanks_of, split_at_blanks
from nlpkit.inference.cloze import ClozeModel
from nlpkit.inference.cloze_members import NetworkMember
from nlpkit.inference.decoders import CodeDecoder, unpack
from nlpkit.inference.members import Floats, load_arrays

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
class ClozeMetrics:
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

    def to_json(self) -> dict[str, Any]:
        """All figures, percentages rounded to two places, others to four."""
        found = asdict(self) | {name: round(getattr(self, name), 2) for name in ("top1", "top5", "top10")}
        if self.bits:
            found["bits"] = {name: round(value, 4) for name, value in found["bits"].items()}
        return found | {"mrr10": round(self.mrr10, 4)}


def measure_items(model: ClozeModel, items: Sequence[Item], candidates: Iterable[str] | None = None) -> ClozeMetrics:
    """Rank all words, or some, at each blank, and see where the right one comes; of equals the more frequent is first.

    :param items: each with one blank.
    :param candidates: words among which the right one is looked for; those that the model does not know never come.
    """
    among = model.candidates(lexicon=candidates).positions
    among = np.arange(len(model.words)) if among is None else among
    place = {model.words[position]: i for i, position in enumerate(among.tolist())}
    answers = model.normaliser.batch([item.answer for item in items])
    targets = np.array([place.get(answer, -1) for answer in answers], dtype=np.int64)
    blanks = item_blanks(model, items)
    ranks = np.full(len(items), NEVER, dtype=np.int64)
    for rows, logits in model.blocks(blanks):
        ranks[rows] = rank(logits[:, among], targets[rows])
    known = targets >= 0
    bits = _bits(model, [blank for blank, there in zip(blanks, known, strict=True) if there], among[targets[known]])
    return _figures(ranks, len(among), bits)


def rank(logits: Floats, targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the words ``(n, words)`` come before the right one ``(n,)``, `NEVER` where that is -1."""
    if not logits.shape[1]:
        return np.full(len(logits), NEVER)
    at = np.maximum(targets, 0)[:, None]
    right = np.take_along_axis(logits, at, 1)
    before = (logits > right) | ((logits == right) & (np.arange(logits.shape[1]) < at))
    return np.where(targets < 0, NEVER, before.sum(1))


def item_blanks(model: ClozeModel, items: Sequence[Item]) -> list[Blank]:
    """The blank of each item, with the model's tokens around it."""
    sides = [side for item in items for side in split_at_blanks(item.text)]
    tokens = model.tokenize(model.normaliser.batch(sides))
    return [blanks_of(pair)[0] for pair in zip(tokens[::2], tokens[1::2], strict=True)]


def _figures(ranks: NDArray[np.int64], candidates: int, bits: BitMetrics | None) -> ClozeMetrics:
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


def _bits(model: ClozeModel, blanks: Sequence[Blank], answers: NDArray[np.intp]) -> BitMetrics | None:
    """The bits of the first member that has any."""
    for member, codes in _coded(model):
        if not blanks:
            return None
        majority = model.counts @ codes >= model.counts.sum() / 2  # (bits,)
        outputs = np.concatenate([member.outputs(block) for block in _blocks(blanks)])
        right = codes[answers]
        return BitMetrics(codes.shape[1], float(((outputs > 0) == right).mean()), float((majority == right).mean()))
    return None


def _blocks(blanks: Sequence[Blank]) -> Iterator[Sequence[Blank]]:
    return (blanks[at : at + 1024] for at in range(0, len(blanks), 1024))


def _coded(model: ClozeModel) -> Iterator[tuple[NetworkMember, NDArray[np.bool_]]]:
    """Members whose outputs are the logits of bits, and the codes of all words ``(answers, bits)``."""
    for position, entry in enumerate(model.bundle.config["members"]):
        member = model.member(position)
        if isinstance(member, NetworkMember) and isinstance(member.decoder, CodeDecoder):
            packed = load_arrays(model.bundle.read(f"{entry['name']}/{ARRAYS}"))["codes"]
            yield member, unpack(packed, member.decoder.codes.bits)
