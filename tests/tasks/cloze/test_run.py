"""Whole trainings of cloze models, tiny but real: words chosen, members trained, mixed, tested, saved and opened."""

import itertools
import json
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import load as load_arrays  # noqa: E402

import nlpkit  # noqa: E402
from nlpkit.components.decoders import unpack  # noqa: E402
from nlpkit.errors import BundleError, DataError, SettingError  # noqa: E402
from nlpkit.model.bundle import Bundle  # noqa: E402
from nlpkit.plugins.component import Component  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.tasks.cloze.blanks import Blank  # noqa: E402
from nlpkit.tasks.cloze.run import ClozeRun  # noqa: E402
from nlpkit.tasks.cloze.task import CLOZE  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.text.split import split_rows  # noqa: E402
from nlpkit.training.dry_run import plan  # noqa: E402
from nlpkit.training.events import Fitting, MemberExported, MemberStarted, Prepared, Remark, Saved, Working  # noqa: E402
from nlpkit.training.loop import Epoch, Resumed, Step  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from tests.tasks.sentiment.test_run import files_of, the  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow]
SHAPE = ClozeRun.shape()
PAIRS = {f"{x}{y}": f"{y}{x}" for x in "天地日月星" for y in "山水火风土木云雨"}  # each word and the one behind it
BEFORE, BEHIND = ("我们", "他们", "你们", "大家"), ("呢", "啊")
TABLES = {
    "tokenizer": {"name": "whitespace"},
    "answers": {"min_count": 2},
    "validation": 0.2,
    "network": {
        "embedding": {"name": "spelled", "dim": 16, "min_count": 1},
        "encoder": {"name": "lstm", "hidden": 16, "bidirectional": False},
        "output": {"name": "softmax", "dim": 16, "tied": True, "negatives": 40},
        "head": {"hidden": [32], "dropout": 0.1},
        "weights": "int8",
        "training": {"epochs": 10, "batch_tokens": 96, "learning_rate": 0.02, "exact_epochs": 1},
    },
}
QUICK = ("weights=float32", "training.epochs=2", "training.batch_tokens=400")


@pytest.fixture(scope="module")
def texts():
    """320 texts in which a word tells the one beside it."""
    found = itertools.product(BEFORE, PAIRS.items(), BEHIND)
    lines = (f"{a} 看见 {x} {y} {b}" for a, (x, y), b in found)
    return [Example(line, "", "one.txt" if i % 4 else "two.txt") for i, line in enumerate(lines)]


def made(*assignments, **components):
    return SHAPE.make_settings(SHAPE.assign(SHAPE.choose(TABLES, components), assignments))


def run(folder, texts, *assignments, **components):
    return list(train(CLOZE, texts, made(*assignments, **components), folder))


class Deciding(torch.nn.Module):
    """A stranger's encoder, which torch cannot export."""

    causal = True

    def __init__(self, input_dim, dropout):
        super().__init__()
        self.config, self.output_dim = {"dropout": dropout}, 6
        self.layer, self.dropout = torch.nn.Linear(input_dim, 6), torch.nn.Dropout(dropout)

    def forward(self, vectors, mask, state=None):  # noqa: ARG002
        states = self.dropout(self.layer(vectors))
        return (states / 2 if float(states.detach().abs().max()) > 1e6 else states), state


@pytest.fixture
def deciding(monkeypatch):
    """Register it; a run that exports nothing takes little time, and drawing a picture would take as long again."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    def factory(*, input_dim: int, dropout: float = 0.2):
        return Deciding(input_dim, dropout)

    component = Component("encoder", "deciding", factory, "stranger", "1.2", "stranger")
    monkeypatch.setitem(registry().components, ("encoder", "deciding"), component)
    return "deciding"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, texts):
    """A model: its folder, and the events of the run."""
    folder = tmp_path_factory.mktemp("cloze") / "model"
    return folder, list(train(CLOZE, texts, made(), folder, keep_weights=False))


def test_a_run_tells_what_it_does(trained, texts):
    events = trained[1]
    (prepared,) = the(Prepared, events)
    parts = split_rows(texts, test=0.2, validation=0.2)
    assert (prepared.train, prepared.validation, prepared.test) == tuple(
        len(part) for part in (parts.train, parts.validation, parts.test)
    )
    assert prepared.conflicts == 0
    (started,) = the(MemberStarted, events)
    assert (started.name, started.composition) == ("network", "spelled → lstm → softmax (both ways)")
    assert [event.name for event in the(Fitting, events)] == ["network"]
    assert len(the(Epoch, events)) == 10
    working = {event.what for event in the(Working, events)}
    assert working >= {"reading", "train tokens", "network: train ids", "network: exporting", "mixing"}
    (exported,) = the(MemberExported, events)
    assert (exported.runtime, exported.checked) == ("graph", prepared.validation)
    assert exported.difference < 0.05
    (saved,) = the(Saved, events)
    assert (saved.task, saved.folder) == (CLOZE, trained[0])
    assert saved.size == sum(path.stat().st_size for path in trained[0].rglob("*") if path.is_file())


def test_what_stands_beside_a_word_tells_it(trained):
    (saved,) = the(Saved, trained[1])
    assert saved.metrics["all"].top1 > 90
    model = nlpkit.ClozeModel.load(trained[0])
    filled = model.fill([f"{a} 看见 {x} __ 呢" for a in BEFORE for x in PAIRS], top=1)
    first = [f.fillings[0].words[0] for f in filled]
    assert np.mean([word == y for word, y in zip(first, [*PAIRS.values()] * 4, strict=True)]) > 0.9
    logits = model.member(0).logits([Blank(["我们", "看见", "天山"], ["呢"])])
    assert model.words[int(logits[0].argmax())] == "山天"


def test_the_folder_tests_itself_and_carries_its_card(trained):
    assert nlpkit.ClozeModel.load(trained[0]).check() == []
    samples = json.loads((trained[0] / "samples.json").read_bytes())
    assert len(samples) == 12
    assert all(sample["fillings"] for sample in samples)
    card = (trained[0] / "README.md").read_text(encoding="utf-8")
    (saved,) = the(Saved, trained[1])
    figures = saved.metrics["all"]
    assert f"| all | {figures.items:,} | {figures.top1:.1f} | {figures.top5:.1f} |" in card
    for expected in ("## Data", "one.txt", "two.txt", "## Limits", "lstm"):
        assert expected in card
    assert (trained[0] / "history.csv").read_text("utf-8").count("\n") == 11


def test_the_config_says_where_all_came_from(trained):
    config = Bundle.open(trained[0]).config
    (network,) = config["members"]
    assert (config["format"], config["task"]) == (1, "cloze")
    assert (network["kind"], network["runtime"]) == ("network", "graph")
    assert network["max_length"] == 64
    assert all("seconds" not in epoch for epoch in network["history"])
    assert config["data"]["corpora"] == {"two.txt": 80, "one.txt": 240}
    assert "conflicts" in config["data"]
    assert config["settings"]["members"][0]["encoder"] == TABLES["network"]["encoder"]
    assert config["metrics"].keys() == {"all", "one.txt", "two.txt"}
    files = {path.relative_to(trained[0]).as_posix() for path in trained[0].rglob("*.*") if path.is_file()}
    assert files >= {"network/model.onnx", "network/arrays.safetensors", "answers.json"}
    assert "network/model.safetensors" not in files  # nothing needs the weights as trained


def test_the_mixture_is_tuned(trained):
    (stage,) = Bundle.open(trained[0]).config["stages"]
    assert stage["weights"] == [1.0]
    assert stage["temperature"] != 1


def test_answers_are_counted_in_the_training_rows(trained, texts):
    model = nlpkit.ClozeModel.load(trained[0])
    flat = [word for e in split_rows(texts, test=0.2, validation=0.2).train for word in e.text.split()]
    counts = dict(zip(model.words, model.counts.tolist(), strict=True))
    assert counts == {word: flat.count(word) for word in set(flat) if flat.count(word) >= 2}
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_no_path_of_the_machine_is_in_the_files(trained):
    for path in trained[0].rglob("*"):
        if path.is_file():
            assert b"site-packages" not in path.read_bytes(), path
            assert str(trained[0].parent).encode() not in path.read_bytes(), path


# Other settings


def test_what_torch_cannot_export_runs_through_torch_and_fills(tmp_path, texts, deciding):
    events = run(tmp_path / "m", texts, *QUICK, "training.epochs=8", "training.batch_tokens=96", encoder=deciding)
    (exported,) = the(MemberExported, events)
    assert (exported.runtime, exported.difference) == ("torch", 0)
    files = {path.name for path in (tmp_path / "m" / "network").iterdir()}
    assert files == {"arrays.safetensors", "model.safetensors", "vocabulary.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    model = nlpkit.ClozeModel.load(tmp_path / "m")
    assert model.check() == []
    (filled,) = model.fill(["大家 看见 月云 __ 呢"])
    assert filled.fillings[0].words == ("云月",)


def test_members_are_mixed_as_validation_items_want_it(tmp_path, texts, deciding):
    other = {**TABLES["network"], "name": "other", "encoder": {"name": deciding}}
    tables = {**TABLES, "members": [{**other, "name": "first"}, other]}
    del tables["network"]
    chosen = SHAPE.make_settings(
        SHAPE.assign(tables, [*QUICK, "other.training.epochs=8", "other.training.batch_tokens=96"])
    )
    events = list(train(CLOZE, texts, chosen, tmp_path / "m"))
    assert [event.name for event in the(Fitting, events)] == ["first", "other"]
    config = Bundle.open(tmp_path / "m").config
    assert [member["name"] for member in config["members"]] == ["first", "other"]
    first, second = config["stages"][0]["weights"]
    assert first < second
    assert first + second == pytest.approx(1)
    assert nlpkit.ClozeModel.load(tmp_path / "m").check() == []


def test_a_dry_run_tells_what_a_run_would_be(texts):
    found = plan(CLOZE, texts, made())
    (network,) = found.members
    assert [layer.kind for layer in network.layers] == ["embedding", "marks", "encoder", "head", "output"]
    assert [layer.shape for layer in network.layers] == [(2, 7, 16), (3, 16), (2, 7, 16), (2, 32), (2, 16)]
    assert (network.runtime, network.loops[0].epochs) == ("graph", 10)
    assert (found.rows, found.whole, found.labels) == (len(texts), True, {})


def test_codes_by_bits_with_all_that_may_be_set(tmp_path, texts, deciding, write):
    lines = "".join(f"{word} {i % 2} {i % 3} {i % 5 - 2}\n" for i, word in enumerate([*PAIRS, *PAIRS.values()]))
    path = write(lines.encode(), "vectors.txt")
    more = ("output.loss=bce", "output.source=sign", "output.bits=3", f"output.vectors={path}")
    more += ("training.focus=[0.2, 0.9]", "training.precision=bfloat16", "training.subsample=0.01", "max_length=3")
    more += ("training.blanked=0.2", "normalisation.zero=true", "embedding.min_count=2")
    events = run(tmp_path / "m", texts, *QUICK, *more, output="binary-codes", encoder=deciding)
    (saved,) = the(Saved, events)
    assert saved.metrics["two.txt"].items
    assert "answers share a code with a more frequent one" in " ".join(str(r.sentence) for r in the(Remark, events))
    bundle = Bundle.open(tmp_path / "m")
    assert str(path) not in json.dumps(bundle.config, ensure_ascii=False)
    assert bundle.config["settings"]["members"][0]["training"]["focus"] == [0.2, 0.9]
    answers = bundle.read_json("answers.json")["words"]
    assert load_arrays(bundle.read("network/arrays.safetensors"))["codes"].shape == (1, len(answers))
    path.unlink()
    assert nlpkit.ClozeModel.load(tmp_path / "m").check() == []


def test_codes_of_an_embedding_that_is_not_pretrained_are_those_of_what_stands_near(tmp_path, texts, deciding):
    run(tmp_path / "m", texts, *QUICK, "training.epochs=1", "output.bits=16", output="binary-codes", encoder=deciding)
    bundle = Bundle.open(tmp_path / "m")
    codes = unpack(load_arrays(bundle.read("network/arrays.safetensors"))["codes"], 16)
    words = bundle.read_json("answers.json")["words"]
    first, second = (codes[[words.index(word) for word in kind if word in words]] for kind in (PAIRS, PAIRS.values()))

    def distance(one, other):
        return (one[:, None] != other[None]).sum(2).mean()

    assert len(first) > 20 < len(second)
    assert (distance(first, first) + distance(second, second)) / 2 + 1 < distance(first, second)  # 7.8 + 0.2 by chance


def test_samples_may_be_chosen(tmp_path, texts, deciding):
    chosen = ["我们 看见 __ 呢", "没有空", "__"]
    list(train(CLOZE, texts, made(*QUICK, "training.epochs=1", encoder=deciding), tmp_path / "m", samples=chosen))
    samples = json.loads((tmp_path / "m" / "samples.json").read_bytes())
    assert [sample["text"] for sample in samples] == chosen
    assert nlpkit.ClozeModel.load(tmp_path / "m").check() == []


def test_few_answers_give_a_model_too(tmp_path, deciding):
    texts = [Example(f"{i} 号 {'好' if i % 2 else '差'} {i % 7}", "") for i in range(60)]
    (saved,) = the(Saved, run(tmp_path / "m", texts, *QUICK, "answers.min_count=1", encoder=deciding))
    assert saved.metrics.keys() <= {"all"}
    model = nlpkit.ClozeModel.load(tmp_path / "m")
    assert sorted(model.words) == ["号", "好", "差"]
    assert model.check() == []
    assert model.fill(["3 号 __ 3"])[0].fillings


# The same again


@pytest.mark.slow
@pytest.mark.long
def test_the_same_seed_gives_the_same_files(tmp_path, texts, deciding):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        run(tmp_path / name / "m", texts[::2], *QUICK, f"seed={seed}", encoder=deciding)
    one, two, three = (files_of(tmp_path / name / "m") for name in ("one", "two", "three"))
    assert {"config.json", "README.md", "samples.json", "network/arrays.safetensors"} <= one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []
    assert one["network/model.safetensors"] != three["network/model.safetensors"]


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_is_closed_again_and_again_comes_to_the_same_files(tmp_path, texts, deciding):
    made_of = made(*QUICK, encoder=deciding)
    events = list(train(CLOZE, texts, made_of, tmp_path / "whole" / "m"))
    folder = tmp_path / "closed" / "m"
    moments = [Working, Prepared, MemberStarted, Step, Step, Epoch, Epoch, MemberExported]
    for number, moment in enumerate(moments):
        running = train(CLOZE, texts if number < 2 else iter(()), made_of, folder, resume=number > 0, every=1e9)
        next(event for event in running if isinstance(event, moment))
        running.close()
        assert not folder.exists()
    last = list(train(CLOZE, iter(()), made_of, folder, resume=True))  # the texts are stored
    assert files_of(folder) == files_of(tmp_path / "whole" / "m")
    assert [path.name for path in folder.parent.iterdir()] == ["m"]
    assert len(the(Step, last)) < len(the(Step, events))
    assert len(the(Resumed, last)) == 1


def test_a_resumed_run_must_be_the_one_that_was_begun(tmp_path, texts, deciding):
    folder, begun = tmp_path / "m", made(*QUICK, encoder=deciding)
    running = train(CLOZE, texts, begun, folder, origin={"files": {"a.txt": "12"}})
    next(event for event in running if isinstance(event, Step))
    running.close()
    changes = {
        "embedding.dim was 16, is 8": "embedding.dim=8",
        "training.epochs was 2, is 9": "training.epochs=9",
        "settings.answers.min_count was 2, is 1": "answers.min_count=1",
        "settings.seed was 0, is 7": "seed=7",
        r"head.hidden was \[32\], is \[8, 8\]": "head.hidden=[8, 8]",
    }
    for sentence, change in changes.items():
        other = made(*QUICK, change, encoder=deciding)
        with pytest.raises(SettingError, match=sentence):
            next(train(CLOZE, texts, other, folder, resume=True, origin={"files": {"a.txt": "12"}}))
    with pytest.raises(SettingError, match=r"a\.txt has changed or is another"):
        next(train(CLOZE, texts, begun, folder, resume=True, origin={"files": {"a.txt": "13"}}))
    with pytest.raises(BundleError, match="unfinished run"):
        next(train(CLOZE, texts, begun, folder))
    assert the(Saved, train(CLOZE, texts, begun, folder, resume=True, origin={"files": {"a.txt": "12"}}))


# What cannot be trained


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "0 rows are too few: none fell into train"),
        (["天 地 人"], "1 rows are too few"),
        ([f"only latin {i}" for i in range(40)], "0 words of Chinese characters stand 2 times in the training rows"),
        ([f"好 {i}" for i in range(40)], "1 words of Chinese characters .* a cloze model needs 2 at least"),
        (["！！", "。"], "0 rows are too few"),
    ],
)
def test_texts_that_teach_nothing_are_one_sentence(tmp_path, rows, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        run(tmp_path / "m", [Example(row, "") for row in rows], *QUICK, encoder="none")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_said_of_corpora_that_are_not_there_is_refused(tmp_path, texts):
    with pytest.raises(SettingError, match=r"training\.focus says how large a part the first of several corpora is"):
        run(tmp_path / "m", [e for e in texts if e.corpus == "one.txt"], *QUICK, "training.focus=[0.3, 0.6]")


def test_samples_without_a_blank_are_refused_before_any_text_is_read(tmp_path):
    with pytest.raises(DataError, match="of 2 samples none has a blank"):
        list(train(CLOZE, iter(()), made(*QUICK), tmp_path / "m", samples=["没有空", "好"]))
    assert list(tmp_path.iterdir()) == []


def test_validation_rows_without_an_answer_are_one_sentence(tmp_path, texts):
    rows = split_rows([*texts, *(Example(f"no {i}", "") for i in range(2 * len(texts)))], test=0.2, validation=0.2)
    rows = [*rows.train, *rows.test, *(e for e in rows.validation if e.text.startswith("no"))]
    with pytest.raises(DataError, match=r"no validation row has a word that can be answered: give more texts$"):
        run(tmp_path / "m", rows, *QUICK, encoder="none")


@pytest.mark.parametrize(
    ("components", "assignments", "sentence"),
    [
        ({"embedding": "ngrams"}, [], "the embedding ngrams has no vector that depends on its word alone"),
        ({}, ["encoder.hidden=0"], "hidden must be at least 1"),
        ({"output": "binary-codes"}, ["output.source=sign", "output.bits=9"], "set bits=16 or source=itq"),
        ({"output": "binary-codes"}, ["output.source=sgn"], "did you mean 'sign'"),
    ],
)
def test_parts_that_are_wrong_are_told_before_any_text_is_read(tmp_path, components, assignments, sentence):
    def unread():
        raise AssertionError("the texts were read")
        yield

    with pytest.raises(SettingError, match=sentence):
        next(train(CLOZE, unread(), made(*QUICK, *assignments, **components), tmp_path / "m"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_is_refused_before_anything_is_trained(tmp_path, texts):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(BundleError, match="no model"):
        next(train(CLOZE, texts, made(*QUICK), tmp_path / "photos"))
