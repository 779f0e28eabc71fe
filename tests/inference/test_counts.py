import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from nlpkit.inference.blanks import Blank
from nlpkit.inference.counts import CountMember
from nlpkit.training.counting import CountSettings, context_vocabulary, count_ngrams

TEXTS = ["甲乙丙", "甲丁丙", "甲乙丙", "乙丙乙丙丁", "丁", "", "丙甲，"]
ANSWERS = ["甲", "乙", "丙", "丁", "戊"]  # the last is no context
tokens = st.lists(st.sampled_from([*"甲乙丙丁戊，", None]), max_size=6)
blanks = st.builds(Blank, tokens, tokens)


def arrays_of(texts=TEXTS, **settings):
    documents = [list(text) for text in texts]
    return count_ngrams(documents, None, context_vocabulary(documents), ANSWERS, CountSettings(**settings))


def member(texts=TEXTS, **settings):
    vocabulary = context_vocabulary([list(text) for text in texts])
    return CountMember(load(save(arrays_of(texts, **settings))), vocabulary, ANSWERS)


def probabilities(found, left, right):
    return np.exp(found.logits([Blank(list(left), list(right))])[0])


def normal(values):
    return np.array(values) / np.sum(values)


def witten_bell(counts, prior, escape=1.0):
    types = np.count_nonzero(counts)
    return (np.array(counts) + escape * types * prior) / (np.sum(counts) + escape * types)


PRIOR = normal([5, 6, 7, 4, 1])  # one added to each count: 甲 4, 乙 5 ... as below
COUNTS = [sum(text.count(word) for text in TEXTS) for word in ANSWERS]


def test_nothing_around_a_blank_leaves_the_frequencies():
    found = member()
    expected = normal([count + 1 for count in COUNTS])
    assert probabilities(found, [None], [None]) == pytest.approx(normal(expected**0.9), abs=1e-6)
    assert probabilities(member(alpha=0.8), [None], [None]) == pytest.approx(normal(expected**1.0), abs=1e-6)
