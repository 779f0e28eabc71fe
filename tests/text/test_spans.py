import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.components.tokenizers import CharTokenizer, char, jieba, rjieba
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.spans import Places, find_origins, find_shifted, locate, spans_before, token_spans
from nlpkit.text.vocabulary import Tokens

NORMALISER = Normaliser()
wild = st.text(st.characters(exclude_categories=("Cs",))) | st.text("好Ａﬁ½e\u0301\u200b後 \n", max_size=12)


def spans_of(documents, texts):
    places = locate(Tokens.of(documents), texts)
    return None if places is None else places.spans(texts)


@given(st.lists(wild, max_size=4))
def test_tokens_stand_where_they_are_found(texts):
    texts = NORMALISER.batch(texts)
    for tokenizer in (char(), rjieba()):
        tokens = tokenizer.batch(texts)
        places = locate(tokens, texts)
        assert places is not None
        for text, own, spans in zip(texts, tokens.lists(), places.spans(texts), strict=True):
            assert [text[start:end] for start, end in spans] == own
            gaps = itertools.pairwise([(0, 0), *spans, (len(text), 0)])
            assert not "".join(text[a:b] for (_, a), (b, _) in gaps).strip()


@pytest.mark.parametrize(
    ("documents", "texts"),
    [
        ([["好", "用"]], ["好不用"]),
        ([["▁好"]], ["好"]),
        ([["好"]], ["好用"]),
        ([["用", "好"]], ["好用"]),
        ([["", "好"]], ["好"]),
        ([["好", " "]], ["好 "]),
        ([["好", "用"], []], ["好", "用"]),
    ],
)
def test_tokens_that_do_not_make_up_their_text_are_told(documents, texts):
    assert spans_of(documents, texts) is None


def test_nothing_but_white_space_is_left_out():
    assert spans_of([["衣服", "好"], []], ["衣服 \t好 ", "  "]) == [[(0, 2), (4, 5)], []]
    assert spans_of([["卡拉 ok", "好"]], ["卡拉  ok好"]) == [[(0, 6), (6, 7)]]


@given(st.lists(wild, max_size=4), st.integers(1, 5))
def test_neighbours_that_are_put_together(texts, most):
    places = locate(char().batch(texts), texts)
    for alone, merged in zip(places.spans(texts), places.merged(most).spans(texts), strict=True):
        assert len(merged) <= most
        size = -(-len(alone) // most)
        groups = [alone[at : at + size] for at in range(0, len(alone), size or 1)]
        assert merged == [(group[0][0], group[-1][1]) for group in groups]


@given(st.lists(wild, max_size=4))
def test_places_of_texts_one_by_one_are_those_of_all(texts):
    together = locate(char().batch(texts), texts)
    alone = [locate(char().batch([text]), [text]) for text in texts]
    assert Places.joined(alone, texts).spans(texts) == together.spans(texts)


def origins_of(text):
    return find_origins(text, NORMALISER(text), NORMALISER)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("Ａ好", [0, 1, 2]),
        ("½好", [0, 0, 0, 1, 2]),
        ("\u200b好\u200b用", [1, 3, 4]),
        ("e\u0301好", [0, 2, 3]),
        ("", [0]),
    ],
)
def test_each_character_is_where_it_came_from(text, origins):
    assert origins_of(text) == origins


@given(wild)
def test_origins_are_in_order_and_inside(text):
    normalised, origins = NORMALISER(text), origins_of(text)
    assert len(origins) == len(normalised) + 1
    assert origins == sorted(origins)
    assert all(0 <= place <= len(text) for place in origins)
    for start, end in spans_before([(place, place + 1) for place in range(len(normalised))], origins):
        assert 0 <= start < end <= len(text)


@given(st.lists(wild, max_size=6))
def test_what_is_not_shifted_stands_where_it_stood(texts):
    normalised = NORMALISER.batch(texts)
    shifted = find_shifted(texts, normalised, NORMALISER)
    for row, (text, new) in enumerate(zip(texts, normalised, strict=True)):
        if row not in shifted:
            assert [NORMALISER(character) for character in text] == list(new)


def test_a_character_that_became_two_beside_one_that_went_is_shifted():
    assert find_shifted(["\u200b½好", "好好"], ["1⁄2好"[:3] + "", "好好"], NORMALISER) == {0}


def test_two_segmenters_cut_in_one_way():
    text = "质量 很好\u3000下次还来"
    assert spans_of([jieba().tokenize(text)], [text]) == spans_of([rjieba().tokenize(text)], [text])


@given(st.lists(wild, max_size=4))
def test_tokens_stand_where_their_letters_stood_before_normalisation(texts):
    for tokenizer in (char(), rjieba()):
        tokens, spans = token_spans(texts, tokenizer, NORMALISER)
        assert [len(own) for own in spans] == [len(own) for own in tokens.lists()]
        for text, own, places in zip(texts, tokens.lists(), spans, strict=True):
            assert all(0 <= begin < end <= len(text) for begin, end in places)
            assert [begin for begin, _ in places] == sorted(begin for begin, _ in places)
            alone = [NORMALISER(text[begin:end]) == token for (begin, end), token in zip(places, own, strict=True)]
            if NORMALISER(text) == text:
                assert all(alone)


class Pieces(CharTokenizer):
    """A tokenizer that changes what it cuts."""

    def batch(self, texts):
        return Tokens.of([["▁", *text.upper().split()] for text in texts])


def test_tokens_that_are_spelled_otherwise_have_spans_too():
    tokens, (spans,) = token_spans(["好 ok 用"], Pieces(), NORMALISER)
    assert tokens.lists() == [["▁", "好", "OK", "用"]]
    assert (spans[1], spans[3]) == ((0, 1), (5, 6))
    assert all(0 <= begin < end <= 6 for begin, end in spans)
