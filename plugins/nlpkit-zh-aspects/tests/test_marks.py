"""Opinions become marks of tokens, and are read from numbers again."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nlpkit import DataError

from nlpkit_aspects import marks
from nlpkit_aspects.marks import Decoding, decode, find_best_marks, mark_opinions, spans_of, write_marks
from nlpkit_aspects.opinions import POLARITIES, Opinion, read_opinions, split_sentences, write_opinions


@st.composite
def rows(draw):
    """Spans of tokens, and opinions on them that do not overlap."""
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=12))
    ends = np.cumsum(lengths).tolist()
    spans = list(zip([0, *ends[:-1]], ends, strict=True))
    cuts = sorted(draw(st.sets(st.integers(0, len(spans)), min_size=2)))
    parts = [(spans[a][0], spans[b - 1][1]) for a, b in itertools.pairwise(cuts)]
    opinions = []
    for at, part in enumerate(parts[::2]):
        target = draw(st.sampled_from([None, *parts[1::2]])) if len(parts) > 1 else None
        opinions.append(Opinion(target, part, POLARITIES[at % 3]))
    return spans, opinions


def numbers_of(opinions, tokens):
    """What a network says that is sure of opinions, their spans counted in tokens."""
    numbers = np.zeros((1, tokens, marks.OWN + tokens), np.float32)
    found = np.zeros((2, tokens), np.int64)
    numbers[..., marks.OWN :] = -9
    for begin, end, first, last, polarity in opinions.tolist():
        write_marks(found[1], begin, end)
        numbers[0, begin : end + 1, marks.POLARITY.start + polarity] = 9
        if first >= 0:
            write_marks(found[0], first, last)
            numbers[0, begin : end + 1, marks.OWN + first : marks.OWN + last + 1] = 9
    for side, own in zip((marks.TARGET, marks.OPINION), found, strict=True):
        numbers[0, np.arange(tokens), side.start + own] = 9
    return numbers


@given(rows())
def test_what_was_marked_is_read(row):
    spans, opinions = row
    numbers = numbers_of(mark_opinions(opinions, spans), len(spans))
    (found,) = decode(numbers, np.array([len(spans)]), Decoding())
    told = {(one.target, one.opinion, one.polarity) for one in found}

    def in_tokens(span):
        return span and ([a for a, _ in spans].index(span[0]), [b for _, b in spans].index(span[1]) + 1)

    assert told == {(in_tokens(one.target), in_tokens(one.opinion), one.polarity) for one in opinions}
    assert all(0.9 < one.probability <= 1 for one in found)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 1 << 32))
def test_the_best_marks_always_make_whole_spans(batch, time, seed):
    draw = np.random.default_rng(seed)
    scores, lengths = draw.normal(0, 3, (batch, time, marks.MARKS)), draw.integers(0, time, batch, endpoint=True)
    for found, length in zip(find_best_marks(scores, lengths), lengths.tolist(), strict=True):
        spans = spans_of(found[:length])
        assert (found[length:] == marks.OUTSIDE).all()
        again = np.zeros(time, np.int64)
        for begin, end in spans:
            write_marks(again, begin, end - 1)
        assert again.tolist() == found.tolist()


def test_an_opinion_that_overlaps_another_is_left_out():
    spans = [(at, at + 1) for at in range(6)]
    opinions = [Opinion((0, 1), (1, 3), "positive"), Opinion((0, 1), (2, 5), "negative")]
    assert mark_opinions(opinions, spans).tolist() == [[1, 2, 0, 0, 2]]
    both = [Opinion((0, 1), (3, 5), "positive"), Opinion((1, 3), (3, 5), "positive")]
    assert len(mark_opinions(both, spans)) == 2


def test_padding_changes_nothing_and_less_outside_finds_more():
    numbers = np.random.default_rng(3).normal(size=(1, 5, marks.OWN + 5)).astype(np.float32)
    padded = np.pad(numbers, [(0, 0), (0, 3), (0, 3)], constant_values=7)
    lengths = np.array([5])
    assert next(decode(numbers, lengths, Decoding())) == next(decode(padded, lengths, Decoding()))
    assert next(decode(numbers, lengths, Decoding(outside=99))) == []


@given(st.text("好。！?\n x", max_size=20))
def test_sentences_are_all_of_a_text(text):
    spans = split_sentences(text)
    assert "".join(text[begin:end] for begin, end in spans) == text
    assert all(begin < end for begin, end in spans)


def test_opinions_are_written_as_they_are_read():
    text, one = "房间很大", Opinion((0, 2), (2, 4), "positive")
    assert write_opinions([one]) == [{"target": (0, 2), "opinion": (2, 4), "label": "positive"}]
    assert read_opinions(text, '[{"target": [0, 2], "opinion": [2, 4], "label": "positive"}]') == [one]


@pytest.mark.parametrize(
    "answer",
    [
        "3",
        "[3]",
        '[{"target": null, "opinion": [2, 9], "label": "positive"}]',
        '[{"target": [0], "opinion": [2, 4]}]',
        '[{"target": null, "opinion": [2, 4], "label": "great"}]',
        '[{"opinion": [2, 4], "label": "positive"}]',
    ],
)
def test_what_is_no_opinion_is_told_with_its_text(answer):
    with pytest.raises(DataError, match=r"the opinions of the text '房间很大' cannot be read .*expected a list"):
        read_opinions("房间很大", answer)
