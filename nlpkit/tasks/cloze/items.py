"""Cloze items: texts with one blank, and the word that stood there; read from a file, or made by blanking words."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from nlpkit.errors import DataError
from nlpkit.plugins.base import Tokenizer
from nlpkit.tasks.cloze.blanks import MARK, split_at_blanks
from nlpkit.text.blocks import blocks_of
from nlpkit.text.catalogue import examples_of
from nlpkit.text.corpus import Example, Faults
from nlpkit.text.json_rows import JsonRows, holds_objects, parse_json
from nlpkit.text.records import suffix_of
from nlpkit.text.rows import open_text
from nlpkit.text.table import TYPED

BLOCK = 4096  # texts that are tokenised together
T = TypeVar("T")


class Item(NamedTuple):
    """A text with one blank, and the word that is right there."""

    text: str
    answer: str


def holds_items(path: str | Path, *, encoding: str | None = None) -> bool:
    """Tell whether the first objects of a file of JSON have a text and an answer."""
    if not Path(path).is_file() or suffix_of(str(path)) in TYPED:
        return False
    with open_text(path, encoding=encoding) as decoded:
        return holds_objects(decoded.head()) and {"text", "answer"} <= set(JsonRows(decoded).keys)


def read_items(path: str | Path, *, encoding: str | None = None, faults: Faults) -> Iterator[Item]:
    """Read objects ``{"text": "衣服质量__哦", "answer": "不错"}``, one a line or in one array.

    Those that cannot be used are counted in ``faults``.

    :raises DataError: if the file cannot be read.
    """
    with open_text(path, encoding=encoding) as decoded:
        for row in JsonRows(decoded):
            if fault := _fault_of(row.fields):
                faults.add(fault, decoded.name, row.number)
            elif row.fields:
                yield Item(row.fields["text"], row.fields["answer"])


def read_measured(corpus: str, *, encoding: str | None = None, faults: Faults, **query: Any) -> Iterator[Example]:
    """Read what is measured: items, as examples whose label is the answer, or the texts of any corpus."""
    if holds_items(corpus, encoding=encoding):
        for item in read_items(corpus, encoding=encoding, faults=faults):
            yield Example(item.text, item.answer, corpus)
    else:
        yield from examples_of(corpus, encoding=encoding, faults=faults, **query)


def blank_words(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    answers: Sequence[str],
    *,
    seed: int = 0,
    skip_frequent: int = 50,
    min_words: int = 5,
    every: bool = False,
) -> Iterator[Item]:
    """Blank words of normalised texts as they come: in each text one word, drawn by a seed from those that are answers.

    The same texts in the same order, tokenizer, answers and options give the same items.

    :param answers: most frequent first.
    :param skip_frequent: so many of the most frequent answers are never blanked: any model knows 的.
    :param min_words: texts with fewer tokens of Chinese characters are left out.
    :param every: blank each answer in turn, not one a text.
    """
    draw, known = random.Random(seed), set(answers[skip_frequent:])
    for text, tokens in _tokenise(texts, tokenizer):
        if len(split_at_blanks(text)) > 1 or sum(map(_is_chinese, tokens)) < min_words:
            continue
        places = [place for place in _places(text, tokens) if text[slice(*place)] in known]
        for begin, end in places if every or not places else [draw.choice(places)]:
            yield Item(text[:begin] + MARK + text[end:], text[begin:end])


def draw_items(items: Iterable[T], limit: int, seed: int = 0) -> list[T]:
    """So many items, each as likely as any other, in no order; the others are not held (algorithm R of Vitter 1985,
    https://doi.org/10.1145/3147.3165).

    The same items in the same order, limit and seed give the same list; if there are no more than ``limit``, it is all
    of them as they came.
    """
    draw = random.Random(f"items {seed}")  # not the numbers by which `blank_words` draws
    remaining = iter(items)
    sample = list(itertools.islice(remaining, limit))
    for number, item in enumerate(remaining, limit + 1):
        if (place := draw.randrange(number)) < limit:
            sample[place] = item
    return sample


def make_items(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    answers: Sequence[str],
    *,
    limit: int,
    seed: int = 0,
    skip_frequent: int = 50,
) -> list[Item]:
    """Return at most ``limit`` items of normalised texts: what `draw_items` takes of what `blank_words` makes."""
    return draw_items(blank_words(texts, tokenizer, answers, seed=seed, skip_frequent=skip_frequent), limit, seed)


def read_words(path: str | Path, *, encoding: str | None = None) -> list[str]:
    """Read a lexicon: a word a line, or a JSON list of words.

    :raises DataError: if the file cannot be read, or holds no words.
    """
    with open_text(path, encoding=encoding) as decoded:
        text = "".join(decoded.lines())
    words = parse_json(text) if text.lstrip().startswith("[") else text.split("\n")
    if words is None or not all(isinstance(word, str) for word in words):
        raise DataError("{path} is no lexicon: expected a word a line, or a JSON list of words", path=path)
    lexicon = list(dict.fromkeys(stripped for word in words if (stripped := word.strip())))
    if not lexicon:
        raise DataError("{path} holds no words: expected a word a line, or a JSON list of words", path=path)
    return lexicon


def _tokenise(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[str, list[str]]]:
    for block in blocks_of(texts, BLOCK):
        yield from zip(block, tokenizer.batch(block).lists(), strict=True)


def _places(text: str, tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where each token begins and ends in its text; one that is not written there has no place."""
    end = 0
    for token in tokens:
        begin = text.find(token, end)
        if begin >= 0:
            end = begin + len(token)
            yield begin, end


def _is_chinese(token: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in token)


def _fault_of(fields: Mapping[str, Any] | None) -> str | None:
    if fields is None:
        return "no JSON object"
    text, answer = fields.get("text"), fields.get("answer")
    if not isinstance(text, str) or not isinstance(answer, str) or not answer.strip():
        return "no text and answer"
    blanks = len(split_at_blanks(text)) - 1
    return None if blanks == 1 else "no blank" if blanks == 0 else "several blanks"
