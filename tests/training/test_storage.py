import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from nlpkit.errors import DataError
from nlpkit.text.corpus import Example
from nlpkit.text.split import PLACES, Unevenness, deduplicate, fingerprint, split_rows
from nlpkit.text.vocabulary import HashVocabulary, TableVocabulary, Tokens
from nlpkit.training.storage import (
    BLOCK,
    StoredCorpus,
    StoredTokens,
    map_rows,
    store_corpus,
    store_ids,
    store_tokens,
    write_folder,
)

pytestmark = pytest.mark.train
anything = st.characters(exclude_categories=())  # lone surrogates, newlines, what no font has
texts = st.text(anything, max_size=8) | st.text("好坏 ，!aA\n\ud800", max_size=4)
labels = st.sampled_from("01") | st.text(anything, min_size=1, max_size=3)
examples = st.lists(st.builds(Example, texts, labels, st.sampled_from(["a.csv", "d/b.csv", "\udcff.csv"])), max_size=30)
KNOWN = [Example(f"第{i}家{'好' if i % 2 else '差'}店", str(i % 2), "known.csv") for i in range(60)]


def stored(found, folder, test=0.2, validation=0.3):
    for _ in store_corpus(iter(found), folder, test=test, validation=validation):
        pass
    return StoredCorpus(folder)


def check_same(corpus, found, test=0.2, validation=0.3):
    """What is stored is what `deduplicate` and `split` say, row by row."""
    kept = deduplicate(found)
    parts = split_rows(kept.examples, test=test, validation=validation)
    counts = corpus.counts
    assert (counts.rows, counts.duplicates) == (len(found), kept.duplicates)
    assert (counts.conflicts, counts.empty) == (kept.conflicts, kept.empty)
    assert corpus.labels == sorted({e.label for e in parts.train})
    for place in PLACES:
        expected = getattr(parts, place)
        read = [text for block in corpus.texts(place) for text in block]
        assert read == [e.text for e in expected]
        assert [corpus.labels[i] for i in corpus.targets(place)] == [e.label for e in expected]
        names = list(corpus.corpora)
        assert [names[i] for i in corpus.corpus_of(place)] == [e.corpus for e in expected]
        assert len(corpus.rows(place)) == len(expected)
    assert corpus.fingerprint == fingerprint(parts.train)
    return parts


@given(examples, st.integers(0, 60))
def test_stored_rows_are_those_of_the_split(tmp_path_factory, found, place):
    found = KNOWN[:place] + found + KNOWN[place:]
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    parts = split_rows(deduplicate(found).examples, test=0.2, validation=0.3)
    known = {e.label for e in parts.train}
    if {e.label for e in parts.validation + parts.test} <= known:
        check_same(stored(found, folder), found)
    else:
        with pytest.raises(DataError, match=r"stands in the (validation|test) rows only"):
            stored(found, folder)
        assert not folder.exists()


def test_rows_of_every_corpus_are_counted(tmp_path):
    found = [*KNOWN, Example("！！", "0", "empty.csv"), Example("第九十家店", "1", "more.csv"), KNOWN[0]]
    assert stored(found, tmp_path / "corpus").corpora == {"known.csv": 61, "empty.csv": 1, "more.csv": 1}


def test_more_rows_than_a_block(tmp_path):
    found = [Example(f"第{i}家店\n{'好' * (i % 7)}", str(i % 3), f"{i % 2}.csv") for i in range(2 * BLOCK + 100)]
    found[5000:5000] = found[:50]
    parts = check_same(stored(found, tmp_path / "corpus"), found)
    corpus = StoredCorpus(tmp_path / "corpus")
    assert max(map(len, corpus.texts("train"))) <= BLOCK
    assert [t for block in corpus.texts("train", 10) for t in block] == [e.text for e in parts.train[:10]]
    assert len([t for block in corpus.texts("train", BLOCK + 1) for t in block]) == BLOCK + 1


def test_reading_is_told_as_it_goes(tmp_path):
    found = (Example(f"第{i}家店", str(i % 2)) for i in range(3 * BLOCK))
    told = store_corpus(found, tmp_path / "corpus", test=0.2, validation=0.2)
    assert next(told) == BLOCK
    assert not (tmp_path / "corpus").exists()
    assert list(told) == [2 * BLOCK, 3 * BLOCK]
    assert (tmp_path / "corpus").exists()


def test_reading_that_is_broken_off_leaves_nothing(tmp_path):
    found = (Example(f"第{i}家店", str(i % 2)) for i in range(3 * BLOCK))
    told = store_corpus(found, tmp_path / "corpus", test=0.2, validation=0.2)
    next(told)
    told.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([], "at least two labels, found: no labelled rows"),
        ([Example("好", "1"), Example("棒", "1")], "at least two labels, found: only the label '1'"),
        ([Example("！", "1"), Example("。", "0")], "at least two labels, found: no labelled rows"),
        ([Example("好", "1"), Example("好", "0")], "0 rows to train on.*1 texts stood under several labels"),
        ([e for e in KNOWN if e in split_rows(KNOWN).train][:9], "9 rows are too few: none fell into validation"),
    ],
)
def test_a_split_that_teaches_nothing_is_refused(tmp_path, found, sentence):
    with pytest.raises(DataError, match=sentence):
        stored(found, tmp_path / "corpus", validation=0.2)
    assert not (tmp_path / "corpus").exists()


def test_a_label_without_training_rows_is_named(tmp_path):
    rare = next(
        e for e in (Example(f"稀{i}", "rare") for i in range(99)) if split_rows([e], test=0.2, validation=0.3).test
    )
    with pytest.raises(DataError, match=r"'rare' stands in the test rows only.*--label rare="):
        stored([*KNOWN, rare], tmp_path / "corpus")


def placed(place, count, label, *, test=0.2, validation=0.3):
    """Texts of a label that fall into a place."""
    found = (Example(f"{label}第{i}家", label) for i in range(9999))
    return list(
        itertools.islice((e for e in found if getattr(split_rows([e], test=test, validation=validation), place)), count)
    )


def evenly(label):
    """Texts of a label that fall into every place."""
    return placed("train", 40, label) + placed("validation", 25, label) + placed("test", 15, label)


def test_shares_are_advised_where_they_help(tmp_path):
    found = evenly("a") + evenly("b") + placed("validation", 5, "c")
    with pytest.raises(DataError) as caught:
        stored(found, tmp_path / "corpus")
    advice = re.search(r", or other shares by --set test=(\S+) --set validation=(\S+)$", str(caught.value))
    assert advice, caught.value
    test, validation = map(float, advice.groups())
    stored(found, tmp_path / "corpus", test=test, validation=validation)


@pytest.mark.parametrize("found", [KNOWN[:1], KNOWN[:2], placed("train", 4, "a") + placed("train", 5, "b")])
def test_no_shares_are_advised_for_rows_that_are_simply_few(tmp_path, found):
    with pytest.raises(DataError) as caught:
        stored(found, tmp_path / "corpus")
    assert "--set" not in str(caught.value)


def test_labels_are_left_out_only_where_that_can_be_said(tmp_path):
    rare = placed("test", 1, "a=b")
    with pytest.raises(DataError, match=r"'a=b' stands in the test rows only: it needs more rows$"):
        stored([*KNOWN, *rare], tmp_path / "corpus")
    odd = [Example(e.text, "very bad") for e in rare]
    with pytest.raises(DataError, match="or --label 'very bad=' leaves it out"):
        stored([*KNOWN, *odd], tmp_path / "corpus")


@pytest.mark.parametrize(
    ("found", "uneven"),
    [
        (placed("train", 60, "a") + placed("train", 60, "b"), Unevenness("train", 120, 120, 60)),
        (placed("test", 60, "a") + placed("test", 60, "b"), Unevenness("test", 120, 120, 24)),
        (placed("train", 6, "a") + placed("train", 6, "b"), Unevenness("train", 12, 12, 6)),
        (
            placed("train", 100, "a") + placed("train", 100, "b") + placed("validation", 20, "a"),
            Unevenness("test", 0, 220, 44),
        ),
    ],
)
def test_rows_that_a_hash_has_chosen_before_are_dealt_by_the_seed(tmp_path, found, uneven):
    corpus = stored(found, tmp_path / "corpus")
    assert corpus.uneven == uneven
    sizes = {place: len(corpus.rows(place)) for place in PLACES}
    assert sum(sizes.values()) == len(found)
    assert all(abs(sizes[p] - s * len(found)) < 4 * len(found) ** 0.5 for p, s in zip(PLACES, SHARED, strict=True))
    assert min(sizes.values()) < max(sizes.values()) < len(found)


SHARED = (0.5, 0.3, 0.2)


def test_another_seed_deals_them_otherwise_and_their_order_does_not(tmp_path):
    found, again = placed("train", 60, "a") + placed("train", 60, "b"), {}
    for name, rows, seed in (("one", found, 0), ("same", found, 0), ("turned", found[::-1], 0), ("other", found, 1)):
        list(store_corpus(rows, tmp_path / name, test=0.2, validation=0.3, seed=seed))
        again[name] = {place: set(lines_of(StoredCorpus(tmp_path / name), place)) for place in PLACES}
    assert again["one"] == again["same"] == again["turned"] != again["other"]


def test_rows_that_the_seed_has_chosen_before_are_dealt_evenly_too(tmp_path):
    first = stored(placed("train", 200, "a") + placed("train", 200, "b"), tmp_path / "first")
    chosen = [Example(text, text[0]) for text in lines_of(first, "train")]
    second = stored(chosen, tmp_path / "second")
    sizes = [len(second.rows(place)) for place in PLACES]
    assert second.uneven is not None
    assert min(sizes) > 0.1 * len(chosen)


def test_rows_that_nothing_has_chosen_are_dealt_by_their_hash(tmp_path):
    corpus = stored(KNOWN, tmp_path / "corpus")
    assert corpus.uneven is None
    check_same(corpus, KNOWN)


def test_texts_that_follow_each_other_are_never_dealt_by_the_seed(tmp_path):
    novel = [Example(e.text, "", "novel.txt") for e in placed("train", 100, "a")]
    shares = {"test": 0.2, "validation": 0.05}
    list(store_corpus(novel, tmp_path / "corpus", **shares, labelled=False, continuous=["novel.txt"]))
    corpus = StoredCorpus(tmp_path / "corpus")
    assert corpus.uneven is None
    assert lines_of(corpus, "train") == [e.text for e in novel[:75]]


def lines_of(corpus, place):
    return [text for block in corpus.texts(place) for text in block]


def test_texts_that_follow_each_other_all_stay_in_order(tmp_path):
    novel = [Example(["", "他走了。", f"第{i}回"][i % 3], "", "novel.txt") for i in range(200)]
    other = [Example(f"词{i % 9}", "", "songs.txt") for i in range(100)]
    shares = {"test": 0.2, "validation": 0.05}
    continuous = {"novel.txt", "songs.txt"}
    list(store_corpus([*novel, *other], tmp_path / "corpus", **shares, labelled=False, continuous=continuous))
    corpus = StoredCorpus(tmp_path / "corpus")
    assert lines_of(corpus, "train") == [e.text for e in novel[:150] + other[:75]]
    assert lines_of(corpus, "validation") == [e.text for e in novel[150:160] + other[75:80]]
    assert lines_of(corpus, "test") == [e.text for e in novel[160:] + other[80:]]
    assert (corpus.counts.rows, corpus.counts.ordered) == (300, 300)
    assert (corpus.counts.duplicates, corpus.counts.empty) == (0, 0)
    assert all(corpus.continuity_of(place).all() for place in PLACES)


def test_beside_them_copies_go_as_ever(tmp_path):
    loose = [Example(e.text, "", "reviews.txt") for e in [*KNOWN, *KNOWN[:7]]]
    novel = [Example("他走了。", "", "novel.txt")] * 40
    shares = {"test": 0.2, "validation": 0.3}
    found = [*loose[:30], *novel, *loose[30:]]
    list(store_corpus(found, tmp_path / "corpus", **shares, labelled=False, continuous=["novel.txt"]))
    corpus = StoredCorpus(tmp_path / "corpus")
    parts = split_rows(deduplicate(loose).examples, **shares)
    for place, own in (("train", 20), ("validation", 12), ("test", 8)):
        read, ordered = lines_of(corpus, place), corpus.continuity_of(place)
        assert ordered.sum() == own
        assert [t for t, there in zip(read, ordered, strict=True) if not there] == [
            e.text for e in getattr(parts, place)
        ]
    assert (corpus.counts.rows, corpus.counts.duplicates, corpus.counts.ordered) == (107, 7, 40)


def test_a_corpus_that_was_stored_before_there_was_an_order_has_none(tmp_path):
    folder = tmp_path / "corpus"
    stored(KNOWN, folder)
    facts = json.loads((folder / "corpus.json").read_text("utf-8"))
    del facts["continuous"], facts["counts"]["ordered"]
    (folder / "corpus.json").write_text(json.dumps(facts), "utf-8")
    corpus = StoredCorpus(folder)
    assert corpus.counts.ordered == 0
    assert not corpus.continuity_of("train").any()


def test_texts_without_labels_are_stored_as_those_of_one(tmp_path):
    found = [Example(e.text, "", f"{i % 2}.txt") for i, e in enumerate(KNOWN)]
    found += [Example(KNOWN[0].text + "！", ""), Example("？！", "")]
    for _ in store_corpus(iter(found), tmp_path / "corpus", test=0.2, validation=0.3, labelled=False):
        pass
    corpus = StoredCorpus(tmp_path / "corpus")
    parts = check_same(corpus, found)
    assert corpus.labels == [""]
    assert (corpus.counts.duplicates, corpus.counts.conflicts, corpus.counts.empty) == (1, 0, 1)
    assert parts.test


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_texts_without_labels_are_refused(tmp_path, count):
    found = [Example(e.text, "") for e in KNOWN[:count]]
    with pytest.raises(DataError, match=rf"^{count} rows are too few: none fell into (train|validation); give more"):
        list(store_corpus(found, tmp_path / "corpus", test=0.2, validation=0.05, labelled=False))
    assert not (tmp_path / "corpus").exists()


# Tokens and ids

characters = st.lists(st.text("甲乙丙\U0002f8a6 \n", max_size=6), max_size=9)
words = st.lists(st.lists(st.text(anything, max_size=3), max_size=6), max_size=9)


def as_characters(documents):
    """As a tokenizer of characters gives them: code points."""
    lengths = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    return Tokens(np.array([ord(c) for document in documents for c in document], dtype=np.uint32), lengths)


def kept(blocks, folder):
    folder.mkdir()
    done = list(store_tokens(iter(blocks), folder))
    assert done == np.cumsum([len(block.starts) - 1 for block in blocks]).tolist()
    return StoredTokens(folder)


def check_tokens(found, documents):
    assert len(found) == len(documents)
    for _ in range(2):  # an embedding may go through them twice
        assert list(found) == documents
    assert [document for block in found.blocks() for document in block.lists()] == documents
    assert found.counts() == Counter(token for document in documents for token in document)


@given(st.lists(characters, max_size=3))
def test_characters_come_back_as_they_went_in(tmp_path_factory, blocks):
    found = kept([as_characters(block) for block in blocks], tmp_path_factory.mktemp("tokens") / "tokens")
    check_tokens(found, [list(document) for block in blocks for document in block])


@given(st.lists(words, max_size=3))
def test_words_come_back_as_they_went_in(tmp_path_factory, blocks):
    found = kept([Tokens.of(block) for block in blocks], tmp_path_factory.mktemp("tokens") / "tokens")
    check_tokens(found, [document for block in blocks for document in block])


def test_more_documents_than_a_block(tmp_path):
    documents = [list("甲乙丙丁"[: i % 5]) for i in range(BLOCK + 10)]
    found = kept([as_characters(documents[:100]), as_characters(documents[100:])], tmp_path / "tokens")
    check_tokens(found, documents)
    assert [len(block.starts) - 1 for block in found.blocks()] == [BLOCK, 10]


def test_a_vocabulary_counts_stored_tokens_as_it_counts_lists(tmp_path):
    documents = [list("甲乙丙甲"), [], list("乙甲"), list("丁")]
    found = kept([as_characters(documents)], tmp_path / "tokens")
    one, other = (TableVocabulary.count(d, min_count=1, max_size=3) for d in (found, documents))
    assert one.tokens == other.tokens == ["甲", "乙", "丁"]


VOCABULARIES = [
    TableVocabulary(["甲", "乙", "甲乙", "\ud800"]),
    HashVocabulary(bits=6, low=1, high=3, marks=True),
    HashVocabulary(bits=6, low=2, high=2),
]
blocks_of_words = st.lists(
    st.lists(st.lists(st.sampled_from(["甲", "乙", "丙", "甲乙", "\ud800"]), max_size=6), min_size=1), max_size=3
)


@given(blocks_of_words, st.sampled_from(VOCABULARIES), st.sampled_from([0, 1, 2, 5]))
def test_rows_are_what_the_vocabulary_encodes(tmp_path_factory, blocks, vocabulary, length):
    path = tmp_path_factory.mktemp("ids") / "train"
    documents = [document for block in blocks for document in block]
    tokens = [Tokens.of(block) for block in blocks]
    done = list(store_ids(iter(tokens), vocabulary, length, path))
    assert done == np.cumsum([len(block) for block in blocks]).tolist()
    rows = map_rows(path, np.zeros(len(documents), dtype=np.int64))
    ids = vocabulary.encode(Tokens.of(documents))
    expected = (ids.truncated(length) if length else ids).rows()
    assert len(rows) == len(documents)
    assert [rows.inputs[a:b].tolist() for a, b in zip(rows.starts, rows.starts[1:], strict=False)] == [
        row.tolist() for row in expected
    ]


# What is there is whole


def test_a_folder_is_there_when_it_is_complete(tmp_path):
    with write_folder(tmp_path / "deep" / "done") as new:
        (new / "file").write_bytes(b"1")
        assert not (tmp_path / "deep" / "done").exists()
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["done"]
    assert (tmp_path / "deep" / "done" / "file").read_bytes() == b"1"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, GeneratorExit])
def test_a_folder_that_failed_leaves_nothing(tmp_path, error):
    def fail():
        with write_folder(tmp_path / "done") as new:
            (new / "file").write_bytes(b"1")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_does_not_come_back(tmp_path):
    killed = write_folder(tmp_path / "done")
    (killed.__enter__() / "old").write_bytes(b"1")  # and never left
    with write_folder(tmp_path / "done") as new:
        (new / "file").write_bytes(b"2")
    assert [p.name for p in (tmp_path / "done").iterdir()] == ["file"]


def test_a_corpus_that_cannot_be_read_to_its_end_is_not_there(tmp_path):
    def failing():
        yield from KNOWN
        raise DataError("line 61 is torn")

    with pytest.raises(DataError, match="torn"):
        stored(failing(), tmp_path / "corpus")
    assert list(tmp_path.iterdir()) == []
