"""A token and its pieces: several ids each, so that words are known that no text held."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.components.tokenizers import char
from nlpkit.text.vocabulary import (
    PAD,
    UNKNOWN,
    Ids,
    PieceIds,
    SubwordVocabulary,
    Tokens,
    dump_vocabulary,
    load_vocabulary,
)

words = st.text("不很舒适好吃Aa😀\n\x02", max_size=6)
documents = st.lists(st.lists(words, max_size=6), max_size=5)
vocabularies = st.builds(
    lambda tokens, characters, shortest, more, pieces: SubwordVocabulary(
        tokens, characters=characters, bits=12, shortest=shortest, longest=min(8, shortest + more), pieces=pieces
    ),
    st.lists(words, unique=True, max_size=6),
    st.text("不很舒适好A😀"),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(2, 20),
)


def counted(*found, **options):
    return SubwordVocabulary.count([list(found)], min_count=1, max_size=100, **options)


def ids_of(vocabulary, *tokens):
    """The ids of each token, without padding."""
    return [column[column != PAD].tolist() for column in vocabulary.encode(Tokens.of([tokens])).grid.T]


def rows(ids):
    return [row.tolist() for row in ids.rows()]


@given(documents, vocabularies)
def test_a_document_has_the_same_ids_in_a_batch_as_alone(batch, vocabulary):
    together = rows(vocabulary.encode(Tokens.of(batch)))
    assert together == [rows(vocabulary.encode(Tokens.of([document])))[0] for document in batch]


@given(documents, vocabularies)
def test_each_token_has_its_own_id_first_and_padding_last(batch, vocabulary):
    tokens = Tokens.of(batch)
    ids = vocabulary.encode(tokens)
    known = {token: position for position, token in enumerate(vocabulary.tokens, start=2)}
    assert ids.grid[0].tolist() == [known.get(token, UNKNOWN) for token in tokens.units]
    assert ids.grid.shape == (vocabulary.pieces, len(tokens.units))
    assert (np.diff((ids.grid != PAD).astype(int), axis=0) <= 0).all()
    assert not ids.grid.size or ids.grid.max() < len(vocabulary)


@given(st.lists(st.text("不很舒适好A😀", max_size=5), max_size=4), vocabularies)
def test_vectorised_characters_get_the_ids_of_single_ones(texts, vocabulary):
    tokenizer = char()
    fast = vocabulary.encode(tokenizer.batch(texts))
    assert rows(fast) == rows(vocabulary.encode(Tokens.of([tokenizer.tokenize(text) for text in texts])))


@given(vocabularies)
def test_it_survives_its_file(vocabulary):
    again = load_vocabulary(dump_vocabulary(vocabulary))
    assert isinstance(again, SubwordVocabulary)
    assert again.to_json() == vocabulary.to_json()
    assert len(again) == len(vocabulary)


def test_words_that_no_text_held_share_what_they_are_written_with():
    vocabulary = counted("不", "很", "舒适", "好吃")
    (bad, good) = ids_of(vocabulary, "不舒适", "很舒适")
    (comfort,) = ids_of(vocabulary, "舒适")
    assert bad[0] == good[0] == UNKNOWN
    assert bad != good
    assert len(set(bad) & set(good) & set(comfort)) >= 4  # 舒, 适, 舒适 and both with the end


def test_the_beginning_of_a_word_is_no_piece_of_its_middle():
    vocabulary = counted("不好", "好不", shortest=2, longest=2, bits=20)
    first, second = ids_of(vocabulary, "不好", "好不")
    assert not set(first) & set(second)


def test_of_characters_that_no_text_held_there_is_no_evidence():
    vocabulary = counted("舒适")
    unseen, half = ids_of(vocabulary, "龘靐", "龘适")
    assert unseen == [UNKNOWN]
    assert len(half) == 3  # unknown, 适, and 适 at the end


def test_characters_of_rare_words_count_as_seen():
    vocabulary = SubwordVocabulary.count([["好吃", "好吃", "难闻"]], min_count=2, max_size=9)
    assert vocabulary.tokens == ["好吃"]
    assert vocabulary.characters == set("好吃难闻")


def test_of_a_long_token_the_beginning_is_read():
    vocabulary = counted("ab" * 50, pieces=8)
    ((own, *pieces),) = ids_of(vocabulary, "ab" * 500)
    assert own == UNKNOWN
    assert 1 < len(pieces) <= 7


@pytest.mark.parametrize(
    "sizes", [{"bits": 3}, {"bits": 27}, {"shortest": 0}, {"shortest": 4, "longest": 3}, {"longest": 9}, {"pieces": 1}]
)
def test_sizes_that_make_no_sense_are_refused(sizes):
    with pytest.raises(ValueError, match="wants 1 <= shortest <= longest <= 8"):
        SubwordVocabulary([], characters="", **sizes)


@pytest.mark.parametrize(
    "changes",
    [{"tokens": "好"}, {"tokens": ["好", "好"]}, {"characters": ["好"]}, {"bits": "16"}, {"bits": True}, {"pieces": 0}],
)
def test_what_is_no_such_vocabulary_is_refused(changes):
    config = json.loads(dump_vocabulary(counted("好"))) | changes
    with pytest.raises(ValueError, match=r"texts|a text|more than once|whole numbers|2 to 64 ids"):
        load_vocabulary(json.dumps(config).encode())


lengths = st.lists(st.integers(0, 7), min_size=1, max_size=6)


def piece_rows(sizes):
    """One array ``(time, 3)`` a row, of which the last column is padding."""
    draw = np.random.default_rng(0)
    return [np.pad(draw.integers(1, 9, (size, 2)).astype(np.int32), ((0, 0), (0, 1))) for size in sizes]


@given(lengths)
def test_rows_come_back_as_they_went_in(sizes):
    batch = piece_rows(sizes)
    ids = Ids.of(batch)
    assert isinstance(ids, PieceIds)
    assert rows(ids) == [row.tolist() for row in batch]
    assert ids.counts.tolist() == sizes


@given(lengths)
def test_padding_is_on_the_right_and_no_wider_than_need_be(sizes):
    batch = piece_rows(sizes)
    ids, mask = Ids.of(batch).padded()
    assert mask.tolist() == [[at < size for at in range(max(1, *sizes, 1))] for size in sizes]
    assert ids.shape == (*mask.shape, 2 if any(sizes) else 1)
    assert ids.dtype == np.int64
    assert not ids[~mask].any()
    assert [ids[i, :size].tolist() for i, size in enumerate(sizes)] == [row[:, :2].tolist() for row in batch]


@given(lengths, st.integers(1, 6))
def test_truncation_keeps_tokens_of_both_ends_whole(sizes, length):
    batch, head = piece_rows(sizes), length - length // 2
    for row, kept in zip(batch, rows(Ids.of(batch).truncated(length)), strict=True):
        both = np.concatenate([row[:head], row[len(row) - length // 2 :]])
        assert kept == (row if len(row) <= length else both).tolist()
