import pytest

import nlpkit
from nlpkit.errors import BundleError
from nlpkit.model.bundle import save
from tests.tasks.cloze.tiny import cloze_files
from tests.tiny import model_files


def test_the_task_says_what_a_model_is(tmp_path):
    save(tmp_path / "cloze", cloze_files())
    save(tmp_path / "sentiment", model_files())
    assert isinstance(nlpkit.load(tmp_path / "cloze"), nlpkit.ClozeModel)
    assert isinstance(nlpkit.load(tmp_path / "sentiment"), nlpkit.SentimentModel)
    assert nlpkit.ClozeModel.load(tmp_path / "cloze").words
    assert nlpkit.SentimentModel.load(tmp_path / "sentiment").labels


@pytest.mark.parametrize("task", ["juggling", None, ["cloze"]])
def test_an_unknown_task_is_named(tmp_path, task):
    save(tmp_path / "m", model_files(task=task))
    with pytest.raises(BundleError, match=r"(?i)there is: (aspects, )?cloze, generate, sentiment"):
        nlpkit.load(tmp_path / "m")


def test_each_class_refuses_a_model_of_the_other(tmp_path):
    save(tmp_path / "cloze", cloze_files())
    save(tmp_path / "sentiment", model_files())
    with pytest.raises(BundleError, match="use it with nlpkit cloze"):
        nlpkit.SentimentModel.load(tmp_path / "cloze")
    with pytest.raises(BundleError, match="use it with nlpkit sentiment"):
        nlpkit.ClozeModel.load(tmp_path / "sentiment")


def test_a_tokenizer_of_the_model_is_part_of_it(tmp_path):
    save(tmp_path / "m", cloze_files() | {"tokenizer/dictionary.txt": b"x"})
    save(tmp_path / "m", cloze_files(), force=True)
    assert not (tmp_path / "m" / "tokenizer").exists()


def test_sentiment_still_lists_its_labels(tmp_path):
    files = model_files()
    files["config.json"] = files["config.json"].replace(b'"labels"', b'"lables"')
    save(tmp_path / "m", files)
    with pytest.raises(BundleError, match="lacks labels"):
        nlpkit.load(tmp_path / "m")
