import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.audit.copies import ALIKE, FEWEST, SHINGLE, find_copies, near_copies
from nlpkit.text.split import PLACES, Key, split_rows
from tests.audit.written import as_examples, write_reviews

BASE = "昨天收到的台灯底座很稳，灯光也不刺眼，孩子写作业正好"


def jaccard(a, b):
    of = [{text[at : at + SHINGLE] for at in range(len(text) - SHINGLE + 1)} for text in (a, b)]
    return len(of[0] & of[1]) / len(of[0] | of[1])


def test_copies_are_equal_in_letters():
    copies = find_copies(["质量好！", "别的", "质 量 好", "…", "…"], seed=0)
    assert copies.first.tolist() == [0, 1, 0, 3, 4]
    assert copies.lettered.tolist() == [True, True, True, False, False]


def test_a_near_copy_is_found_wherever_it_stands_and_its_likeness_is_right():
    texts = [BASE, *(text for text, _ in write_reviews(60)), f"{BASE}，推荐"]
    copies = find_copies(texts, seed=0)
    (pair,) = [pair for pair in copies.pairs if pair.copy_of == 0]
    plain = [text.replace("，", "") for text in (texts[0], texts[-1])]
    assert (pair.row, pair.alike) == (61, pytest.approx(jaccard(*plain), abs=1e-4))
    assert copies.cluster[61] == copies.cluster[0] == 0


def test_what_is_near_a_near_copy_is_of_its_cluster():
    chain = [BASE, f"{BASE}很推荐大家", f"{BASE}很推荐大家也来买一个"]
    assert find_copies([*chain, "另外一句完全不同的话，说的是别的东西"], seed=0).cluster.tolist() == [0, 0, 0, 3]


def test_short_texts_and_repeated_characters_are_alike_by_chance():
    assert list(near_copies(["很好很好", "很好很好很好", "好" * 40, "好" * 60], seed=0)) == []


def test_many_copies_of_one_template_take_no_square_of_their_number():
    texts = [f"{BASE}第{number:05}号" for number in range(3000)]
    pairs = list(near_copies(texts, seed=0))
    assert len(pairs) < 40 * len(texts)
    assert {row for pair in pairs for row in pair[:2]} == set(range(3000))


@given(st.lists(st.text("好坏大小多少来去上下", min_size=0, max_size=30), max_size=12, unique=True))
def test_no_pair_is_invented(texts):
    for a, b, alike in near_copies(texts, seed=1):
        assert a < b
        assert alike == pytest.approx(jaccard(texts[a], texts[b]), abs=1e-4)
        assert alike >= ALIKE
        assert len(texts[a]) >= FEWEST


@given(st.lists(st.text(max_size=40), max_size=8))
def test_wild_texts_have_a_first_and_a_place(texts):
    copies = find_copies(texts, seed=0)
    assert all(copies.first <= np.arange(len(texts)))
    assert all(copies.cluster <= copies.first)
    assert all((Key.of(text) is not None) == lettered for text, lettered in zip(texts, copies.lettered, strict=True))


def test_places_are_those_of_training():
    rows = as_examples(write_reviews(300))
    copies = find_copies([e.text for e in rows], seed=0)
    split = split_rows(rows)
    placed = {e.text: place for place in PLACES for e in getattr(split, place)}
    assert [PLACES[place] for place in copies.place.tolist()] == [placed[e.text] for e in rows]
