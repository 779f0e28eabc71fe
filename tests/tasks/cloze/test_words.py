"""The words of a corpus on disk, and which of them can be answered."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from nlpkit.errors import DataError
from nlpkit.tasks.cloze.settings import AnswerSettings
from nlpkit.tasks.cloze.words import choose_answers, read_words, store_words
from nlpkit.text.corpus import Example
from nlpkit.text.normalisation import Normaliser
from nlpkit.training.components import make_component
from nlpkit.training.storage import StoredCorpus, store_corpus

pytestmark = pytest.mark.train
COUNTS = {"好": 9, "差": 5, "不错": 5, "vs": 30, "1.5": 30, "卡拉ok": 9, "，": 99, "㐂": 5, "旧": 4, "": 7, "ー": 9}


@pytest.fixture
def corpus(tmp_path):
    texts = [Example(f"第{i}家 店 質量 很好{'，推荐' * (i % 2)} OK", "", f"{i % 2}.txt") for i in range(40)]
    list(store_corpus(texts, tmp_path / "corpus", test=0.2, validation=0.3, labelled=False))
    return StoredCorpus(tmp_path / "corpus")


def test_answers_are_frequent_words_of_chinese_characters():
    found = choose_answers(COUNTS, AnswerSettings())
    assert list(found.items()) == [("好", 9), ("㐂", 5), ("不错", 5), ("差", 5)]
    assert list(choose_answers(COUNTS, AnswerSettings(min_count=4))) == ["好", "㐂", "不错", "差", "旧"]
    assert list(choose_answers(COUNTS, AnswerSettings(max_size=2))) == ["好", "㐂"]


@given(st.dictionaries(st.text("好差的a1", min_size=1, max_size=3), st.integers(1, 9)), st.integers(1, 6))
def test_no_word_that_is_left_out_is_more_frequent(counts, min_count):
    known = {word for word, n in counts.items() if n >= min_count and not set(word) & set("a1")}
    if len(known) < 2:
        with pytest.raises(DataError, match=f"^{len(known)} words of Chinese characters stand {min_count} times"):
            choose_answers(counts, AnswerSettings(min_count=min_count))
    else:
        found = choose_answers(counts, AnswerSettings(min_count=min_count))
        assert set(found) == known
        assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("name", ["char", "rjieba", "whitespace"])
def test_words_come_back_as_they_were_tokenised(tmp_path, corpus, name):
    part = make_component("tokenizer", {"name": name}, normaliser=Normaliser())
    tokenizer = part.instance
    choose = partial(choose_answers, settings=AnswerSettings(min_count=2))
    told = list(store_words(tmp_path / "words", corpus, tokenizer, Normaliser(), choose))
    assert [(e.what, e.done, e.total) for e in told] == [
        (f"{place} tokens", len(corpus.rows(place)), len(corpus.rows(place))) for place in ("train", "validation")
    ]
    words = read_words(tmp_path / "words", corpus, part)
    assert words.tokenizer is part
    for place in ("train", "validation"):
        texts = [Normaliser()(text) for block in corpus.texts(place) for text in block]
        assert list(words.tokens[place]) == [tokenizer.tokenize(text) for text in texts]
        assert words.corpora[place].tolist() == corpus.corpus_of(place).tolist()
    flat = [token for row in words.tokens["train"] for token in row]
    assert {word: flat.count(word) for word in words.answers} == dict(zip(words.answers, words.counts, strict=True))
    assert words.counts.dtype == np.int64


def test_words_that_are_too_few_leave_nothing(tmp_path, corpus):
    told = store_words(
        tmp_path / "words",
        corpus,
        make_component("tokenizer", {"name": "whitespace"}).instance,
        Normaliser(),
        partial(choose_answers, settings=AnswerSettings(min_count=1000)),
    )
    with pytest.raises(DataError, match=r"0 words .* stand 1000 times .* a cloze model needs 2 at least: give more"):
        list(told)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
