import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.text.characters import Characters

texts = st.lists(st.text(st.characters(exclude_categories=()), max_size=5), max_size=8)


@given(texts)
def test_each_text_is_counted_by_itself(texts):
    characters = Characters.of(texts)
    table = np.zeros(0x4E00, dtype=np.bool_)
    table[0x41:0x80] = True
    expected = [sum(0x41 <= ord(c) < 0x80 for c in text) for text in texts]
    assert characters.count(characters.look_up(table)).tolist() == expected
    assert characters.lengths.tolist() == list(map(len, texts))
    assert characters.codes.tolist() == [ord(c) for text in texts for c in text]


@given(texts)
def test_the_last_character_of_each_text_is_cleared(texts):
    characters = Characters.of(texts)
    values = np.ones(len(characters.codes), dtype=np.bool_)
    characters.clear_last(values)
    assert characters.count(values).tolist() == [max(0, len(text) - 1) for text in texts]


def test_what_lies_beyond_a_table_has_its_last_value():
    table = np.array([False] * 0x42 + [True])
    assert Characters.of(["AB", "好𠀀"]).look_up(table).tolist() == [False, True, True, True]
