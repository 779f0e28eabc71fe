import tempfile

import pytest

pytest.importorskip("torch")

from nlpkit.training.plan import ROWS, plan
from safetensors.numpy import load

from nlpkit.errors import DataError, SettingError
from nlpkit.tasks.sentiment.run import train
from nlpkit.text.corpus import Example
from nlpkit.text.split import split
from nlpkit.training.events import MemberExported, MemberStarted
from nlpkit.training.settings import settings
from tests.tasks.sentiment.test_run import NGRAMS, TABLE

pytestmark = pytest.mark.train


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_plan_is_what_the_run_then_makes(tmp_path, scratch, examples):
    made = settings({"members": [NGRAMS, TABLE], "validation": 0.3})
    found = plan(iter(examples), made)
    assert list(scratch.glob("tmp*")) == []
    events = list(train(examples, made, tmp_path / "m"))
    assert (found.rows, found.whole, found.sample) == (len(examples), True, len(examples))
    assert found.train == len(split(examples, test=0.2, validation=0.3).train) == sum(found.labels.values())
    started = [e for e in events if isinstance(e, MemberStarted)]
    exported = [e for e in events if isinstance(e, MemberExported)]
    for member, begun, done in zip(found.members, started, exported, strict=True):
        weights = (tmp_path / "m" / member.name / "model.safetensors").read_bytes()
        assert (member.name, member.parameters, member.vocabulary) == (begun.name, begun.parameters, begun.vocabulary)
        assert (member.runtime, member.weights) == (done.runtime, len(weights))
        assert member.size == pytest.approx(done.size, rel=0.05)
        assert member.parameters == sum(part.parameters for part in member.parts)
        assert member.parameters <= sum(array.size for array in load(weights).values())  # which hold buffers too
        assert member.speed > 0


def test_few_rows_tell_no_speed(examples):
    (member,) = plan(examples[:40], settings({"members": [TABLE | {"training": {"epochs": 1}}]})).members
    assert member.speed is None


def test_parts_are_told_with_their_shapes(examples):
    (member,) = plan(examples, settings({"members": [TABLE]})).members
    tokenizer, embedding, encoder, head = member.parts
    rows, time = tokenizer.shape
    assert [part.kind for part in member.parts] == ["tokenizer", "embedding", "encoder", "head"]
    assert [part.name for part in member.parts] == ["char", "trainable", "none", "mean"]
    assert embedding.shape == encoder.shape == (rows, time, 8)
    assert head.shape == (rows, 2)
    assert embedding.options["dim"] == 8
    assert (tokenizer.parameters, encoder.parameters) == (0, 0)
    assert embedding.parameters == member.vocabulary * 8
    assert head.parameters == 8 * 2 + 2


def test_a_plan_of_many_rows_is_judged_by_some_drawn_evenly():
    rows = (Example(f"{number}", str(int(number > 9999)), "sorted.csv") for number in range(ROWS + 5000))
    member = NGRAMS | {"training": {"epochs": 1, "batch_size": 512}}
    found = plan(rows, settings({"members": [member]}))
    assert (found.rows, found.whole, found.sample) == (ROWS + 5000, True, ROWS)
    assert found.labels["0"] / found.train == pytest.approx(10_000 / (ROWS + 5000), abs=0.02)


def test_what_could_not_be_trained_on_is_refused_as_by_a_run(scratch, examples):
    with pytest.raises(DataError, match="only the label 'positive'"):
        plan((e for e in examples if e.label == "positive"), settings({"members": [NGRAMS]}))
    with pytest.raises(SettingError, match="keeps no order"):
        plan(examples, settings({"members": [NGRAMS | {"encoder": {"name": "lstm"}}]}))
    assert list(scratch.glob("tmp*")) == []
