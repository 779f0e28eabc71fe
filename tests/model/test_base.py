"""What models of all tasks have in common: they are pickled, shared by threads, opened beforehand."""

import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import nlpkit
from nlpkit.errors import BundleError
from nlpkit.model.bundle import Bundle, add_checksums, find, save
from nlpkit.tasks.sentiment import model as sentiment
from nlpkit.tasks.sentiment.model import SentimentModel
from nlpkit.text.normalisation import Normaliser
from tests.tasks.cloze.tiny import cloze_files
from tests.tasks.generate import tiny as tiny_generation
from tests.tiny import WORDS, model_files, sample, stage, table_member

ASKED = {
    "sentiment": lambda model, text: model.score([text]),
    "cloze": lambda model, text: model.fill([f"{text}__"], top=3),
    "generate": lambda model, text: model.generate([text], length=5, seed=1),
}
TEXTS = ["好货", "质量", "慢，差", "快", "衣服质量", "👍"]


@pytest.fixture
def folders(tmp_path):
    """A model of each task."""
    made = {"sentiment": model_files(), "cloze": cloze_files(), "generate": dict(tiny_generation.bundle().files)}
    for task, files in made.items():
        save(tmp_path / task, files)
    return {task: tmp_path / task for task in made}


def answers(model, texts=TEXTS):
    return [ASKED[model.task](model, text) for text in texts]


@pytest.mark.parametrize("task", ASKED)
def test_a_pickled_model_is_opened_again(folders, task, monkeypatch):
    monkeypatch.chdir(folders[task].parent)
    model = nlpkit.load(f"./{task}")
    data = pickle.dumps(model)
    assert len(data) < 1000
    monkeypatch.chdir("/")
    again = pickle.loads(data)
    assert type(again) is type(model)
    assert answers(again) == answers(model)


def test_a_name_is_pickled_as_a_name():
    data = pickle.dumps(nlpkit.load("reviews"))
    assert str(find("reviews").name).encode() not in data
    assert pickle.loads(data).labels == ["negative", "neutral", "positive"]


@pytest.mark.parametrize("seal", [dict, add_checksums])
def test_another_model_in_its_place_is_told(tmp_path, seal):
    files = model_files()
    save(tmp_path / "m", seal(files))
    data = pickle.dumps(nlpkit.load(tmp_path / "m"))
    _, inverted = table_member(words={word: -weight for word, weight in WORDS.items()})
    same_config = files | inverted
    save(tmp_path / "m", seal(same_config), force=True)
    with pytest.raises(BundleError, match="not the model that was pickled: it has been replaced since"):
        pickle.loads(data)
    save(tmp_path / "m", seal(files), force=True)
    assert pickle.loads(data).score(["好"])[0].label == "positive"


def test_a_model_in_memory_says_that_it_cannot():
    with pytest.raises(BundleError, match="tiny is in memory and cannot be pickled: save it"):
        pickle.dumps(SentimentModel(Bundle("tiny", model_files())))


@pytest.mark.parametrize("method", sorted({"fork", "spawn"} & set(multiprocessing.get_all_start_methods())))
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_pool_of_processes_answers_as_one(folders, method):
    if method == "fork" and sys.platform == "darwin":
        pytest.skip("forking is not safe there")
    model = nlpkit.load(folders["sentiment"])
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        found = list(pool.map(model.score, [[text] for text in TEXTS]))
    assert found == answers(model)


@pytest.mark.parametrize("name", ["reviews", "reviews-cloze", "reviews-chars"])
def test_sixteen_threads_answer_as_one(name):
    """All ask a model of which nothing has been opened."""
    asked = {"reviews": ["不知道", *TEXTS], "reviews-cloze": ["衣服质量", "屏幕"], "reviews-chars": ["衣服", ""]}[name]
    expected = answers(nlpkit.load(name), asked)
    model, together = nlpkit.load(name), threading.Barrier(16)

    def ask(_: int) -> list:
        together.wait()
        return answers(model, asked)

    with ThreadPoolExecutor(16) as pool:
        assert all(found == expected for found in pool.map(ask, range(16)))


def test_threads_open_a_member_once(monkeypatch):
    opened = []
    real = sentiment.open_member

    def counted(*arguments, **options):
        opened.append(arguments[1]["name"])
        return real(*arguments, **options)

    monkeypatch.setattr(sentiment, "open_member", counted)
    model, together = nlpkit.load("reviews"), threading.Barrier(8)

    def ask(_: int) -> None:
        together.wait()
        model.score(["不知道"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert opened == ["characters", "words"]


@pytest.mark.parametrize("task", ASKED)
def test_a_warm_model_reads_nothing_more(folders, task):
    model = nlpkit.load(folders[task], warm=True)
    expected = answers(nlpkit.load(folders[task]))
    model.bundle.files = {}
    assert answers(model) == expected


def test_each_class_can_be_loaded_warm(folders):
    stages = [stage(1.0, leave=0.0), stage(1.0, 1.0)]
    save(folders["sentiment"], model_files(table_member("one"), table_member("two"), stages=stages), force=True)
    assert len(nlpkit.SentimentModel.load(folders["sentiment"], warm=True)._parts) == 2
    assert len(nlpkit.SentimentModel.load(folders["sentiment"])._parts) == 0
    assert nlpkit.ClozeModel.load(folders["cloze"], warm=True)._parts
    assert nlpkit.GenerationModel.load(folders["generate"], warm=True)._parts


def test_what_is_damaged_is_told_by_a_warm_load(folders):
    (folders["sentiment"] / "characters" / "arrays.safetensors").write_bytes(b"")
    nlpkit.load(folders["sentiment"])
    with pytest.raises(BundleError, match=r"arrays\.safetensors"):
        nlpkit.load(folders["sentiment"], warm=True)


@pytest.mark.parametrize("task", ASKED)
def test_a_model_without_samples_cannot_test_itself(folders, task):
    (folders[task] / "samples.json").write_text("[]")
    (said,) = nlpkit.load(folders[task]).check()
    assert "has no samples to test itself by" in said


def test_a_sample_that_is_no_number_is_damage(tmp_path):
    wrong = sample("好") | {"probabilities": {"negative": float("nan"), "positive": float("nan")}}
    save(tmp_path / "m", model_files(samples=[wrong]))
    with pytest.raises(BundleError, match="NaN is no number"):
        nlpkit.load(tmp_path / "m").check()


@pytest.mark.parametrize("step", Normaliser().config)
@pytest.mark.parametrize("odd", ["no", None, 1, []])
def test_a_step_of_normalisation_is_done_or_not(step, odd):
    if not isinstance(Normaliser().config[step], bool):
        pytest.skip("it is no step that is done or not")
    with pytest.raises(BundleError, match=f"normalisation.{step} is true or false"):
        SentimentModel(Bundle("m", model_files(normalisation={step: odd})))
