import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.components.tokenizers import char
from nlpkit.text.vocabulary import (
    PAD,
    UNKNOWN,
    HashVocabulary,
    Ids,
    TableVocabulary,
    Tokens,
    dump_vocabulary,
    load_vocabulary,
)

anything = st.text(st.characters(exclude_categories=()))  # lone surrogates too
chinese = st.text(st.sampled_from("好坏的很不 \t\n　Aaé😀𠀀"), max_size=12)
texts = st.lists(anything | chinese, max_size=6)
documents = st.lists(st.lists(st.text(st.sampled_from("好坏\na"), min_size=1, max_size=3), max_size=8), max_size=6)
hashes = st.builds(
    lambda bits, low, more: HashVocabulary(bits=bits, low=low, high=min(8, low + more)),
    st.integers(4, 20),
    st.integers(1, 4),
    st.integers(0, 4),
)
tables = st.lists(st.sampled_from("好坏的很不Aa😀𠀀\n"), unique=True).map(TableVocabulary)


def rows(ids: Ids) -> list[list[int]]:
    return [row.tolist() for row in ids.rows()]


@given(texts, hashes | tables)
def test_vectorised_characters_get_the_ids_of_single_ones(found, vocabulary):
    tokenizer = char()
    fast = vocabulary.encode(tokenizer.batch(found))
    slow = vocabulary.encode(Tokens.of([tokenizer.tokenize(text) for text in found]))
    assert rows(fast) == rows(slow)
    assert fast.size == len(found)


@given(documents, hashes | tables)
def test_a_document_has_the_same_ids_in_a_batch_as_alone(batch, vocabulary):
    together = rows(vocabulary.encode(Tokens.of(batch)))
    assert together == [rows(vocabulary.encode(Tokens.of([document])))[0] for document in batch]


@given(st.lists(st.text(min_size=1, max_size=2), max_size=10), st.integers(1, 4), st.integers(0, 4))
def test_a_hash_gives_an_id_to_each_ngram(document, low, more):
    high = low + more
    vocabulary = HashVocabulary(bits=12, low=low, high=high)
    (found,) = vocabulary.encode(Tokens.of([document])).rows()
    assert len(found) == sum(max(0, len(document) - n + 1) for n in range(low, high + 1))
    assert all(1 <= i < len(vocabulary) for i in found)


def test_an_ngram_has_one_id_wherever_it_stands():
    vocabulary = HashVocabulary(bits=20, low=2, high=2)
    first, second = rows(vocabulary.encode(char().batch(["不好用", "真的不好"])))
    assert first[0] == second[2]
    assert len({*first, *second}) == 4


def test_order_of_tokens_tells_ngrams_apart():
    vocabulary = HashVocabulary(bits=20, low=2, high=2)
    first, second = rows(vocabulary.encode(Tokens.of([["好", "不"], ["不", "好"]])))
    assert first != second


@pytest.mark.parametrize(("bits", "low", "high"), [(3, 1, 2), (27, 1, 2), (10, 0, 2), (10, 3, 2), (10, 1, 9)])
def test_a_hash_refuses_sizes_that_make_no_sense(bits, low, high):
    with pytest.raises(ValueError, match="wants 1 <= low <= high <= 8"):
        HashVocabulary(bits=bits, low=low, high=high)


@given(documents, st.integers(1, 3), st.integers(0, 5))
def test_a_counted_table_keeps_the_frequent_tokens(batch, min_count, max_size):
    flat = [token for document in batch for token in document]
    vocabulary = TableVocabulary.count(batch, min_count=min_count, max_size=max_size)
    assert len(vocabulary.tokens) == min(max_size, len({t for t in flat if flat.count(t) >= min_count}))
    dropped = set(flat) - set(vocabulary.tokens)
    for token in vocabulary.tokens:
        assert flat.count(token) >= min_count
        assert all(flat.count(token) >= flat.count(other) for other in dropped)


def test_documents_that_were_counted_before_are_not_gone_through():
    class Counted:
        def counts(self):
            return {"差": 2, "好": 5, "的": 2, "外": 1}

    assert TableVocabulary.count(Counted(), min_count=2, max_size=9).tokens == ["好", "差", "的"]


def test_a_table_is_counted_from_documents_that_come_one_by_one():
    documents = (["好", "差"][: n % 3] for n in range(9))
    assert TableVocabulary.count(documents, min_count=1, max_size=9).tokens == ["好", "差"]


def test_unknown_tokens_share_one_id():
    found = TableVocabulary(["好"]).encode(Tokens.of([["好", "坏", "棒"]]))
    assert rows(found) == [[2, UNKNOWN, UNKNOWN]]


@given(
    st.lists(st.text("甲乙丙", min_size=1, max_size=3), unique=True),
    st.lists(st.text("甲乙丙", max_size=4), max_size=8),
)
def test_an_unknown_token_is_what_it_ends_in(known, tokens):
    vocabulary = TableVocabulary(known, suffixes=True)
    ids = {token: position for position, token in enumerate(known, start=2)}
    suffixes = [[token[at:] for at in range(len(token)) if token[at:] in ids] for token in tokens]  # the longest first
    expected = [ids[found[0]] if found else UNKNOWN for found in suffixes]
    assert vocabulary.encode(Tokens.of([tokens])).grid[0].tolist() == expected
    whole = TableVocabulary(known).encode(Tokens.of([tokens])).grid[0].tolist()
    assert whole == [ids.get(token, UNKNOWN) for token in tokens]


@given(texts)
def test_a_character_ends_in_nothing_but_itself(found):
    one, other = TableVocabulary(list("好坏"), suffixes=True), TableVocabulary(list("好坏"))
    assert rows(one.encode(char().batch(found))) == rows(other.encode(char().batch(found)))


@given(st.lists(st.text(st.characters(exclude_categories=())), unique=True), st.booleans())
def test_a_table_survives_its_file(tokens, suffixes):
    again = load_vocabulary(dump_vocabulary(TableVocabulary(tokens, suffixes=suffixes)))
    assert isinstance(again, TableVocabulary)
    assert again.tokens == tokens
    assert again.suffixes is suffixes


def test_a_table_of_a_version_without_suffixes_has_none():
    assert load_vocabulary(b'{"kind": "table", "tokens": ["a"]}').suffixes is False
    assert b"suffixes" not in dump_vocabulary(TableVocabulary(["a"]))


@given(hashes)
def test_a_hash_survives_its_file(vocabulary):
    again = load_vocabulary(dump_vocabulary(vocabulary))
    assert isinstance(again, HashVocabulary)
    assert (again.bits, again.low, again.high) == (vocabulary.bits, vocabulary.low, vocabulary.high)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"kind": "other"}', b'{"kind": "hash", "bits": 99}'])
def test_what_is_no_vocabulary_is_refused(data):
    with pytest.raises((ValueError, KeyError, TypeError)):
        load_vocabulary(data)


id_rows = st.lists(st.lists(st.integers(1, 9), max_size=9), max_size=6)


@given(id_rows)
def test_rows_come_back_as_they_went_in(batch):
    ids = Ids.of([np.array(row, dtype=np.int64) for row in batch])
    assert rows(ids) == batch
    assert ids.counts.tolist() == [len(row) for row in batch]


@given(id_rows)
def test_padding_is_on_the_right_and_masked(batch):
    ids, mask = Ids.of([np.array(row, dtype=np.int64) for row in batch]).padded()
    width = max([1, *map(len, batch)])
    assert ids.shape == mask.shape == (len(batch), width)
    assert ids.tolist() == [row + [PAD] * (width - len(row)) for row in batch]
    assert mask.tolist() == [[True] * len(row) + [False] * (width - len(row)) for row in batch]


@given(id_rows, st.integers(1, 6))
def test_truncation_keeps_both_ends(batch, length):
    cut = rows(Ids.of([np.array(row, dtype=np.int64) for row in batch]).truncated(length))
    head = length - length // 2
    for row, kept in zip(batch, cut, strict=True):
        assert kept == (row if len(row) <= length else row[:head] + row[len(row) - length // 2 :])


@given(documents)
def test_flat_tokens_are_the_lists_again(batch):
    assert Tokens.of(batch).lists() == batch
