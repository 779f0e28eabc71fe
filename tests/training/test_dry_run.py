import sys
import tempfile

import pytest

pytest.importorskip("torch")

from safetensors.numpy import load

from nlpkit.errors import DataError, SettingError
from nlpkit.plugins.component import Component
from nlpkit.plugins.registry import registry
from nlpkit.tasks.sentiment.run import SentimentRun
from nlpkit.tasks.sentiment.task import SENTIMENT
from nlpkit.text.corpus import Example
from nlpkit.text.split import split_rows
from nlpkit.training.dry_run import SAMPLE_ROWS, plan
from nlpkit.training.events import MemberExported, MemberStarted
from tests.training.runs import NGRAMS, TABLE, TINY, deciding, the

pytestmark = pytest.mark.train


def settings(*members, **more):
    return SentimentRun.shape().make_settings({"members": list(members), **more})


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def quick(monkeypatch):
    """What torch can export takes longer than all the rest, and so does a picture."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    component = Component("encoder", "deciding", deciding, "stranger", "1.2", "stranger")
    monkeypatch.setitem(registry().components, ("encoder", "deciding"), component)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("tiny", TINY.values(), ids=TINY)
def test_a_plan_is_what_the_run_then_makes(tmp_path, scratch, tiny):
    made, rows = tiny.settings(), tiny.rows()
    found = plan(tiny.task, iter(rows), made)
    assert list(scratch.glob("tmp*")) == []
    events = list(tiny.train(tmp_path / "m"))
    assert (found.rows, found.whole, found.sample) == (len(rows), True, len(rows))
    assert found.train == len(split_rows(rows, test=made.test, validation=made.validation).train)
    assert sum(found.labels.values()) == (found.train if tiny.task_name == "sentiment" else 0)
    started = {e.name: e for e in the(MemberStarted, events)}
    exported = {e.name: e for e in the(MemberExported, events)}
    assert [member.name for member in found.members] == [member.name for member in made.members]
    for member in found.members:
        assert member.parameters == sum(layer.parameters for layer in member.layers)
        if member.name not in started:  # which is counted
            assert (member.layers, member.loops, member.weights, member.training) == ([], [], 0, {})
            continue
        begun, done = started[member.name], exported[member.name]
        weights = (tmp_path / "m" / member.name / "model.safetensors").read_bytes()
        assert (member.parameters, member.vocabulary) == (begun.parameters, begun.vocabulary)
        assert (member.runtime, member.weights) == (done.runtime, len(weights))
        assert member.size == pytest.approx(done.size, rel=0.05)
        assert member.parameters <= sum(array.size for array in load(weights).values())  # which hold buffers too
        assert [(loop.what, loop.epochs) for loop in member.loops] == [("", 2)]
        assert member.training["epochs"] == 2


def test_a_plan_tells_how_long_an_epoch_takes(examples):
    (member,) = plan(SENTIMENT, examples, settings(TABLE | {"training": {"batch_size": 4}})).members
    (loop,) = member.loops
    assert loop.epoch > 0


def test_few_rows_tell_no_speed(examples):
    (member,) = plan(SENTIMENT, examples[:40], settings(TABLE | {"training": {"epochs": 1}})).members
    assert [loop.epoch for loop in member.loops] == [None]


@pytest.mark.slow
def test_each_loop_is_told(examples):
    member = TABLE | {"encoder": {"name": "gru", "hidden": 4}, "training": {"epochs": 3, "pretrain": 2}}
    (found,) = plan(SENTIMENT, examples, settings(member)).members
    assert [(loop.what, loop.epochs) for loop in found.loops] == [("language model", 2), ("", 3)]


def test_layers_are_told_with_their_shapes(examples):
    (member,) = plan(SENTIMENT, examples, settings(TABLE)).members
    tokenizer, embedding, encoder, head = member.layers
    rows, time = tokenizer.shape
    assert [layer.kind for layer in member.layers] == ["tokenizer", "embedding", "encoder", "head"]
    assert [layer.name for layer in member.layers] == ["char", "trainable", "none", "mean"]
    assert embedding.shape == encoder.shape == (rows, time, 8)
    assert head.shape == (rows, 2)
    assert embedding.options["dim"] == 8
    assert (tokenizer.parameters, encoder.parameters) == (0, 0)
    assert embedding.parameters == member.vocabulary * 8
    assert head.parameters == 8 * 2 + 2


def test_a_plan_of_many_rows_is_judged_by_some_drawn_evenly():
    rows = (Example(f"{number}", str(int(number > 9999)), "sorted.csv") for number in range(SAMPLE_ROWS + 5000))
    member = NGRAMS | {"training": {"epochs": 1, "batch_size": 512}}
    found = plan(SENTIMENT, rows, settings(member))
    assert (found.rows, found.whole, found.sample) == (SAMPLE_ROWS + 5000, True, SAMPLE_ROWS)
    assert found.labels["0"] / found.train == pytest.approx(10_000 / (SAMPLE_ROWS + 5000), abs=0.02)


def test_what_could_not_be_trained_on_is_refused_as_by_a_run(scratch, examples):
    with pytest.raises(DataError, match="only the label 'positive'"):
        plan(SENTIMENT, (e for e in examples if e.label == "positive"), settings(NGRAMS))
    with pytest.raises(SettingError, match="keeps no order"):
        plan(SENTIMENT, examples, settings(NGRAMS | {"encoder": {"name": "lstm"}}))
    assert list(scratch.glob("tmp*")) == []


def test_what_is_odd_about_the_rows_is_told(examples):
    rows = [*examples, *(Example(f"第{i}次来", "mixed", "shop.csv") for i in range(3))]
    (remark,) = plan(SENTIMENT, rows, settings(NGRAMS)).remarks
    assert remark.startswith("'mixed' has 3 rows: too few to learn a label by")
