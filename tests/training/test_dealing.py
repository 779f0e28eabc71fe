"""Rows whose corpora are more than dealt out, through the corpus as it is stored."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from nlpkit.errors import DataError
from nlpkit.text.example import Example, Source
from nlpkit.text.split import split_rows
from nlpkit.training.storage import StoredCorpus, store_corpus

pytestmark = pytest.mark.train
JUDGES = Source("judges.csv", use="validation")
TAUGHT = Source("taught.csv", use="train")
FREE = Source("free.txt", use="unlabelled")


def goods(count=60, source=None, start=0, label=lambda i: str(i % 2)):
    source = source or Source()
    return [
        Example(f"第{i}家店", label(i), source.name or "goods.csv", source=source) for i in range(start, start + count)
    ]


def stored(found, folder, seed=0):
    for _ in store_corpus(iter(found), folder, test=0.2, validation=0.2, seed=seed):
        pass
    return StoredCorpus(folder)


def read(corpus, place):
    return [text for block in corpus.texts(place) for text in block]


def texts(rows):
    return [row.text for row in rows]


def test_rows_for_one_place_go_there_and_the_others_are_dealt_as_ever(tmp_path):
    judges, taught = goods(20, JUDGES, start=100), goods(20, TAUGHT, start=200)
    corpus = stored([*judges, *goods(), *taught], tmp_path / "c")
    parts = split_rows(goods(), test=0.2, validation=0.2)
    assert read(corpus, "train") == texts(parts.train) + texts(taught)
    assert read(corpus, "validation") == texts(judges) + texts(parts.validation)
    assert read(corpus, "test") == texts(parts.test)
    assert [corpus.sources[i].name for i in corpus.source_of("validation")[:20]] == ["judges.csv"] * 20
    assert corpus.draws == []


@given(st.permutations(["judges.csv", "goods.csv", "taught.csv"]))
def test_of_copies_the_one_for_validation_stays_and_one_that_is_dealt_before_one_for_training(tmp_path_factory, order):
    """So no text is trained on that judges, and test rows are those that they are without the other corpora."""
    held_out = split_rows(goods(), test=0.2, validation=0.2).test
    of = {
        "judges.csv": goods(10, JUDGES),  # the first of the goods
        "goods.csv": goods(),
        "taught.csv": [replace(e, source=TAUGHT, corpus="taught.csv") for e in goods(60)],
    }
    corpus = stored([row for name in order for row in of[name]], tmp_path_factory.mktemp("c") / "c")
    judges = set(texts(of["judges.csv"]))
    assert judges <= set(read(corpus, "validation"))
    assert set(read(corpus, "test")) == set(texts(held_out)) - judges
    assert len(read(corpus, "train")) + len(read(corpus, "validation")) + len(read(corpus, "test")) == 60
    assert corpus.counts.duplicates == 70


def test_texts_without_labels_lose_copies_and_what_is_held_out(tmp_path):
    parts = split_rows(goods(), test=0.2, validation=0.2)
    free = [
        Example(e.text + "！", "", "free.txt", source=FREE)
        for e in (parts.test[0], parts.validation[0], parts.train[0])
    ]
    free += [Example(text, "", "free.txt", source=FREE) for text in ("新的一句", "新的，一句", "！！", "另一句")]
    corpus = stored([*goods(), *free], tmp_path / "c")
    assert read(corpus, "unlabelled") == ["新的一句", "另一句"]
    of = corpus.unlabelled
    assert (of.rows, of.copies, of.held_out, of.trained, of.empty, of.left) == (7, 1, 2, 1, 1, 0)
    assert corpus.targets("unlabelled").tolist() == [-1, -1]
    assert (corpus.counts.rows, corpus.counts.empty, corpus.counts.duplicates) == (60, 0, 0)
    assert corpus.labels == ["0", "1"]
    assert corpus.corpora == {"goods.csv": 60, "free.txt": 7}
    assert read(corpus, "train") == texts(parts.train)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_balance_draws_as_many_of_each_label_for_training_and_as_large_shares_for_validation(tmp_path, share):
    source = Source("odd.csv", balance=True, share=share)
    rows = goods(800, source, label=lambda i: "0" if i % 8 else "1")
    corpus = stored([*goods(60, start=2000), *rows], tmp_path / "c")
    parts = split_rows(rows, test=0.2, validation=0.2)
    before = Counter(e.label for e in parts.train)
    (draw,) = corpus.draws
    assert draw.of == before
    assert set(draw.rows.values()) == {-(-before["1"] * share // 1)}
    owners, targets = corpus.source_of("train"), corpus.targets("train")
    assert Counter(targets[owners == 1].tolist()) == {0: draw.rows["0"], 1: draw.rows["1"]}
    judged = Counter(corpus.targets("validation")[corpus.source_of("validation") == 1].tolist())
    wanted = Counter(e.label for e in parts.validation)
    for label in "01":
        assert abs(judged[int(label)] - wanted[label] * draw.rows[label] / before[label]) <= 1
    assert set(texts(parts.test)) < set(read(corpus, "test"))  # of which none is left out


def test_a_larger_share_holds_the_smaller_and_order_matters_not_but_the_seed_does(tmp_path):
    def drawn(name, share, seed=0, order=1):
        rows = goods(300, Source("odd.csv", share=share))[::order]
        return set(read(stored([*goods(60, start=2000), *rows], tmp_path / name, seed), "train"))

    small, large = drawn("a", 0.2), drawn("b", 0.6)
    assert small < large
    assert drawn("c", 0.2, order=-1) == small
    assert drawn("d", 0.2, seed=1) != small


def test_a_share_of_texts_without_labels_is_drawn_too(tmp_path):
    free = [Example(f"新的{i}", "", "free.txt", source=replace(FREE, share=0.25)) for i in range(40)]
    corpus = stored([*goods(), *free], tmp_path / "c")
    assert len(read(corpus, "unlabelled")) == 10
    assert corpus.unlabelled.left == 30


def test_rows_that_are_not_drawn_may_be_taught_without_their_labels(tmp_path):
    source = Source("odd.csv", balance=True, rest="teach")
    rows = goods(400, source, label=lambda i: "0" if i % 8 else "1")
    parts = split_rows(rows, test=0.2, validation=0.2)
    free = [Example(e.text + "！", "", "free.txt", source=FREE) for e in (parts.train[1], parts.test[1])]
    free += [Example("新的一句", "", "free.txt", source=FREE)]
    corpus = stored([*goods(60, start=2000), *rows, *free], tmp_path / "c")
    train, rest = set(read(corpus, "train")), set(read(corpus, "unlabelled"))
    assert not train & rest
    assert rest == set(texts(parts.train)) - train | {"新的一句"}
    (draw,) = corpus.draws
    assert corpus.unlabelled.rest == len(rest) - 1 == sum(draw.of.values()) - sum(draw.rows.values()) > 100
    assert (corpus.unlabelled.rows, corpus.unlabelled.trained, corpus.unlabelled.held_out) == (3, 1, 1)


def test_a_label_that_only_judges_have_is_refused(tmp_path):
    odd = [Example("新的一句", "2", "judges.csv", source=JUDGES)]
    with pytest.raises(DataError, match="'2' stands in the validation rows only"):
        stored([*goods(), *odd], tmp_path / "c")


def test_without_sources_nothing_more_is_written(tmp_path):
    corpus = stored(goods(), tmp_path / "c")
    assert (corpus.sources, corpus.draws, corpus.unlabelled) == ([], [], None)
    assert not (tmp_path / "c" / "sources").exists()
    assert np.all(corpus.source_of("train") == 0)
