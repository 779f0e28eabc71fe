"""The words of the texts that a cloze model is trained on, on disk, and those among them that can be answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import DataError, Sentence
from nlpkit.files import write_synced
from nlpkit.plugins.base import Tokenizer
from nlpkit.tasks.cloze.settings import AnswerSettings
from nlpkit.text.normalisation import Normaliser
from nlpkit.training.components import Part
from nlpkit.training.events import Working
from nlpkit.training.storage import StoredCorpus, StoredTokens, store_tokens, write_folder

CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
FEW = 2  # answers; one is no question
PLACES = ("train", "validation")


@dataclass(frozen=True)
class Words:
    """Tokens of the rows of training and validation, each row's corpus, and the answers.

    :param corpus: that they are of, and ``tokenizer`` what made them.
    :param corpora: the position of each row's corpus among those that were read ``(rows,)``.
    :param answers: most frequent first, with how often each stands in the training rows: ``counts`` ``(answers,)``.
    """

    corpus: StoredCorpus
    tokenizer: Part
    tokens: Mapping[str, StoredTokens]
    corpora: Mapping[str, NDArray[np.int32]]
    answers: Sequence[str]
    counts: NDArray[np.int64]


def store_words(
    folder: Path,
    corpus: StoredCorpus,
    tokenizer: Tokenizer,
    normaliser: Normaliser,
    choose: Callable[[Mapping[str, int]], dict[str, int]],
) -> Iterator[Working]:
    """Tokenise a corpus, and choose the answers; leave a folder for `read_words`.

    :param choose: maps the counts of the training tokens to the words that can be answered, with theirs.
    """
    with write_folder(folder) as new:
        for place in PLACES:
            (new / place).mkdir()
            total = len(corpus.rows(place))
            blocks = (tokenizer.batch(normaliser.batch(texts)) for texts in corpus.texts(place))
            for count in store_tokens(blocks, new / place):
                yield Working(Sentence("{place} tokens", place=Sentence(place)), count, total)
        answers = choose(StoredTokens(new / "train").counts())
        write_synced(new / "answers.json", json.dumps(answers).encode())


def read_words(folder: Path, corpus: StoredCorpus, tokenizer: Part) -> Words:
    """Read words as `store_words` left them."""
    answers = json.loads((folder / "answers.json").read_bytes())
    counts = np.array(list(answers.values()), dtype=np.int64)
    tokens = {place: StoredTokens(folder / place) for place in PLACES}
    corpora = {place: corpus.corpus_of(place) for place in PLACES}
    return Words(corpus, tokenizer, tokens, corpora, list(answers), counts)


def choose_answers(counts: Mapping[str, int], settings: AnswerSettings) -> dict[str, int]:
    """Choose the words of Chinese characters that are frequent enough, most frequent first; ties by the word.

    :raises DataError: if there are fewer than two.
    """
    words = [(word, n) for word, n in counts.items() if n >= settings.min_count and CHINESE.fullmatch(word)]
    words.sort(key=lambda item: (-item[1], item[0]))
    if len(words) < FEW:
        raise DataError(
            "{count} words of Chinese characters stand {min_count} times in the training rows, a cloze model needs "
            "{least} at least: give more texts{remedy}",
            count=len(words),
            min_count=settings.min_count,
            least=FEW,
            remedy=", or --set answers.min_count=1" if sum(map(bool, map(CHINESE.fullmatch, counts))) >= FEW else "",
        )
    return dict(words[: settings.max_size])
