"""A tiny teacher, of which is known what it says."""

import json
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch")

from nlpkit.errors import BundleError, NlpkitError, SettingError
from nlpkit.model.bundle import add_checksums, save
from nlpkit.tasks.sentiment.task import SENTIMENT
from nlpkit.text.example import Example, Source
from nlpkit.training import teacher
from nlpkit.training.events import Note, Remark, Working
from nlpkit.training.mixture import TAUGHT
from nlpkit.training.storage import StoredCorpus, store_corpus
from nlpkit.training.teacher import Trial, ask_teacher
from tests.tiny import model_files, sample, table_member
from tests.training.runs import the

pytestmark = pytest.mark.train
FREE = Source("free.txt", use="unlabelled")


@pytest.fixture
def few_rows(monkeypatch):
    """Blocks so small that there are many."""
    monkeypatch.setattr(teacher, "ROWS", 8)


@pytest.fixture
def corpus(tmp_path):
    """Rows of which the teacher knows a part, some without labels."""
    rows = [
        Example(f"{'好' if i % 2 else '差'}货{chr(0x4E00 + i)}", "positive" if i % 2 else "negative") for i in range(60)
    ]
    rows += [Example(f"第{i}", "negative") for i in range(12)]  # no character that the teacher knows
    rows += [Example(text, "", "free.txt", source=FREE) for text in ("很好", "abc", "太差", "慢", "一二三四五")]
    for _ in store_corpus(rows, tmp_path / "corpus", test=0.2, validation=0.2):
        pass
    return StoredCorpus(tmp_path / "corpus")


@pytest.fixture
def tiny(tmp_path):
    """A model with its labels the other way round than those of the rows, which are sorted."""
    words = {"好": -2.0, "差": 2.0, "慢": 0.5, "货": 0.0}
    files = model_files(table_member(words=words), labels=("positive", "negative"), characters="好差慢货")
    save(tmp_path / "tiny", add_checksums(files))
    return str(tmp_path / "tiny")


def ask(name, corpus, run, trial=None):
    events = []
    asking = ask_teacher(SENTIMENT, name, corpus, run, trial)
    while True:
        try:
            events.append(next(asking))
        except StopIteration as end:
            return end.value, events


def read(corpus, place):
    return [text for block in corpus.texts(place) for text in block]


def test_probabilities_are_the_teachers_in_the_order_of_the_rows_labels(tmp_path, corpus, tiny):
    lessons, events = ask(tiny, corpus, tmp_path)
    assert read(corpus, TAUGHT) == ["很好", "太差", "慢"]
    texts = read(corpus, "train") + read(corpus, TAUGHT)
    assert lessons.probabilities.shape == (len(texts), 2)
    for text, found in zip(texts, lessons.probabilities, strict=True):
        if "第" in text:
            assert np.isnan(found).all()
        else:
            score = {"好": 2.0, "差": -2.0, "慢": -0.5}[next(c for c in text if c in "好差慢")]
            assert found == pytest.approx([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], abs=1e-6)
    unknown = sum("第" in text for text in texts)
    facts = lessons.facts
    assert (facts["model"], facts["labelled"], facts["unlabelled"]) == ("tiny", len(read(corpus, "train")), 5)
    assert facts["unanswered"] == {"labelled": unknown, "unlabelled": 2}
    assert facts["reasons"] == {"no evidence: no known character or word": unknown + 2}
    assert facts["agreement"] == 1.0
    (note,), (remark,) = the(Note, events), the(Remark, events)
    assert "of which it says the label of 100.0%, 3 without labels" in note.sentence
    assert f"no answer to {unknown} labelled rows" in remark.sentence
    assert f"to 2 without labels, which were dropped: {unknown + 2} no evidence" in remark.sentence


@pytest.mark.usefixtures("few_rows")
def test_what_is_kept_is_not_asked_again(tmp_path, corpus, tiny):
    first, events = ask(tiny, corpus, tmp_path)
    assert len(the(Working, events)) > 5
    again, events = ask("nowhere", corpus, tmp_path)
    assert the(Working, events) == []
    assert again.facts == first.facts
    np.testing.assert_array_equal(again.probabilities, first.probabilities)


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("torn", [0, 5])
def test_asking_goes_on_behind_the_last_whole_block(tmp_path, corpus, tiny, torn):
    (tmp_path / "whole").mkdir()
    whole, _ = ask(tiny, corpus, tmp_path / "whole")
    asking = ask_teacher(SENTIMENT, tiny, corpus, tmp_path)
    assert [next(asking).done for _ in range(4)] == [0, 8, 16, 24]
    asking.close()
    with (tmp_path / "teacher" / "part").open("ab") as file:
        file.write(b"\0" * torn)  # as a machine that went down may leave it
    again, events = ask(tiny, corpus, tmp_path)
    assert the(Working, events)[0].done == 24
    np.testing.assert_array_equal(again.probabilities, whole.probabilities)


@pytest.mark.usefixtures("few_rows")
def test_another_teacher_than_was_asked_is_refused(tmp_path, corpus, tiny):
    asking = ask_teacher(SENTIMENT, tiny, corpus, tmp_path)
    next(asking), next(asking)
    asking.close()
    save(tmp_path / "tiny", add_checksums(model_files(samples=[sample("好")])), force=True)
    with pytest.raises(NlpkitError, match="the teacher tiny is not the one that the run asked before"):
        ask(tiny, corpus, tmp_path)


def test_other_labels_are_one_sentence(tmp_path, corpus):
    files = model_files(table_member(words={"好": [1.0, 2.0]}), labels=("bad", "good", "mixed"))
    save(tmp_path / "other", add_checksums(files))
    with pytest.raises(
        SettingError, match="the teacher other has the labels bad, good, mixed, the rows have negative, "
    ):
        ask(str(tmp_path / "other"), corpus, tmp_path)


def test_what_is_no_teacher_is_one_sentence(tmp_path, corpus):
    with pytest.raises(BundleError, match="nowhere"):
        ask("nowhere", corpus, tmp_path)
    with pytest.raises(BundleError, match="sentiment"):
        ask("reviews-cloze", corpus, tmp_path)


@pytest.mark.usefixtures("few_rows")
def test_a_trial_tells_the_speed_and_breaks_off(tmp_path, corpus, tiny):
    lessons, events = ask(tiny, corpus, tmp_path, Trial(0.0, 1000))
    said = [event.sentence for event in the(Note, events)]
    assert "the teacher tiny answers" in said[0]
    assert Counter(map(tuple, lessons.probabilities[8:].tolist())) == {(0.5, 0.5): len(lessons.probabilities) - 8}


def test_the_files_are_json_and_numbers(tmp_path, corpus, tiny):
    ask(tiny, corpus, tmp_path)
    folder = tmp_path / "teacher"
    assert sorted(path.name for path in folder.iterdir()) == ["answered.json", "asked.json", "probabilities"]
    assert json.loads((folder / "answered.json").read_text())["model"] == "tiny"
