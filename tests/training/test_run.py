"""What is the same in the runs of all tasks: resumed, broken off, refused, saved with samples and a card."""

import sys

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import BundleError, DataError, NlpkitError, SettingError  # noqa: E402
from nlpkit.model.bundle import Bundle  # noqa: E402
from nlpkit.plugins.component import Component  # noqa: E402
from nlpkit.plugins.registry import registry  # noqa: E402
from nlpkit.text.corpus import Example  # noqa: E402
from nlpkit.text.split import fingerprint, split_rows  # noqa: E402
from nlpkit.training.events import Fitting, MemberExported, Note, Prepared, Remark, Saved, Working  # noqa: E402
from nlpkit.training.loop import Epoch, Resumed, Step  # noqa: E402
from tests.training.runs import TINY, deciding, files_of, the  # noqa: E402
from tests.training.test_checkpoint import files_no_larger_than  # noqa: E402

pytestmark = pytest.mark.train
each = pytest.mark.parametrize("tiny", TINY.values(), ids=TINY)
SENTIMENT = TINY["sentiment"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A picture takes longer than all the rest, and so does what torch can export."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    component = Component("encoder", "deciding", deciding, "stranger", "1.2", "stranger")
    monkeypatch.setitem(registry().components, ("encoder", "deciding"), component)


def unread():
    raise AssertionError("the rows were read")
    yield


@pytest.mark.slow
def test_what_force_replaces_is_told(tmp_path):
    folder = tmp_path / "m"
    list(SENTIMENT.train(folder))
    running = SENTIMENT.train(folder, force=True)
    assert not [note for note in the(Note, iter_until(running, MemberExported)) if "replaced" in note.sentence]
    running.close()  # an unfinished run
    told = [note.sentence for note in the(Note, SENTIMENT.train(folder, force=True))]
    assert told[0] == f"the unfinished run in {tmp_path / 'm.training'} is given up for this one"
    assert told[-1].startswith(f"replaced what {folder} was: a model for sentiment (0, 1), ")


def iter_until(events, kind):
    for event in events:
        yield event
        if isinstance(event, kind):
            return


@pytest.mark.slow
@each
def test_a_run_leaves_a_model_that_opens_and_tests_itself(tmp_path, tiny):
    folder, rows = tmp_path / "m", tiny.rows()
    events = list(tiny.train(folder))
    (prepared,), (saved,) = the(Prepared, events), the(Saved, events)
    settings = tiny.settings()
    parts = split_rows(rows, test=settings.test, validation=settings.validation)
    assert (prepared.rows, prepared.train, prepared.validation, prepared.test) == (
        len(rows),
        *map(len, (parts.train, parts.validation, parts.test)),
    )
    assert (saved.task.name, saved.folder) == (tiny.task_name, folder)
    assert saved.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    names = sorted({row.corpus for row in rows})
    assert saved.metrics.keys() == {"all", *names}
    model = nlpkit.load(folder)
    assert model.check() == []
    config = model.bundle.config
    assert (config["format"], config["task"]) == (1, tiny.task_name)
    assert config["data"]["fingerprint"] == fingerprint(parts.train)
    assert config["data"]["corpora"] == {name: sum(row.corpus == name for row in rows) for name in names}
    assert config["metrics"].keys() == saved.metrics.keys()
    assert [member["name"] for member in config["settings"]["members"]] == [m["name"] for m in config["members"]]
    assert all("seconds" not in epoch for member in config["members"] for epoch in member.get("history", []))
    card = (folder / "README.md").read_text(encoding="utf-8")
    for expected in ("# m\n", "## Data", *names, "## Limits"):
        assert expected in card
    assert len(the(Epoch, events)) == len((folder / "history.csv").read_text("utf-8").splitlines()) - 1


@pytest.mark.slow
@each
def test_no_path_of_the_machine_is_in_the_files(tmp_path, tiny):
    list(tiny.train(tmp_path / "m"))
    for path in (tmp_path / "m").rglob("*"):
        if path.is_file():
            assert b"site-packages" not in path.read_bytes(), path
            assert str(tmp_path).encode() not in path.read_bytes(), path


@pytest.mark.slow
@each
def test_weights_may_be_left_out_and_samples_chosen(tmp_path, tiny):
    list(tiny.train(tmp_path / "m", keep_weights=False, samples=tiny.samples))
    bundle = Bundle.open(tmp_path / "m")
    needed = {member["name"] for member in bundle.config["members"] if member["runtime"] == "torch"}
    found = {path.parent.name for path in (tmp_path / "m").rglob("model.safetensors")}
    assert found == needed
    assert [s.get("prompt", s.get("text")) for s in bundle.read_json("samples.json")] == list(tiny.samples)
    assert nlpkit.load(tmp_path / "m").check() == []


@pytest.mark.slow
@each
def test_the_same_seed_gives_the_same_files(tmp_path, tiny):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        list(tiny.train(tmp_path / name / "m", f"seed={seed}"))
    one, two, three = (files_of(tmp_path / name / "m") for name in ("one", "two", "three"))
    assert {"config.json", "README.md", "samples.json"} <= one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []
    weights = next(path for path in one if path.endswith("model.safetensors"))
    assert one[weights] != three[weights]


@each
def test_a_folder_that_is_taken_is_refused_before_anything_is_read(tmp_path, tiny):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(BundleError, match="no model"):
        next(tiny.train(tmp_path / "photos", rows=unread()))


@each
@pytest.mark.parametrize("rows", [[], ["！！", "。"], ["天 地 人"]])
def test_too_little_to_train_on_is_one_sentence_and_leaves_nothing(tmp_path, tiny, rows):
    with pytest.raises(DataError) as caught:
        list(tiny.train(tmp_path / "m", rows=[Example(row, "a") for row in rows]))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# Broken off and gone on with


@pytest.mark.slow
@each
def test_a_run_that_is_closed_again_and_again_comes_to_the_same_files(tmp_path, tiny):
    events = list(tiny.train(tmp_path / "whole" / "m"))
    folder = tmp_path / "closed" / "m"
    moments = [Working, Prepared, Fitting, Step, Step, Epoch, Epoch, MemberExported]
    for number, moment in enumerate(moments):
        rows = tiny.rows() if number < 2 else unread()  # once they are stored
        running = tiny.train(folder, rows=rows, resume=number > 0, every=1e9)
        next(event for event in running if isinstance(event, moment))
        running.close()
        assert not folder.exists()
    last = list(tiny.train(folder, rows=unread(), resume=True))
    assert files_of(folder) == files_of(tmp_path / "whole" / "m")
    assert [path.name for path in folder.parent.iterdir()] == ["m"]
    assert len(the(Step, last)) < len(the(Step, events))
    assert the(Resumed, last)


@pytest.mark.slow
def test_a_run_that_is_closed_at_any_event_comes_to_the_same_files(tmp_path_factory):
    whole = tmp_path_factory.mktemp("whole") / "m"
    events = list(SENTIMENT.train(whole))
    expected = files_of(whole)

    @hypothesis_settings(max_examples=6)
    @given(st.lists(st.integers(0, len(events) - 2), min_size=1, max_size=2))
    def closed_and_resumed(moments):
        folder = tmp_path_factory.mktemp("closed") / "m"
        for number, moment in enumerate(moments):
            running = SENTIMENT.train(folder, resume=number > 0, every=1e9)
            for _ in zip(range(moment + 1), running, strict=False):
                pass
            running.close()
            if folder.exists():  # it ended before that moment: the first had brought it near its end
                break
        else:
            list(SENTIMENT.train(folder, resume=True))
        assert files_of(folder) == expected
        assert [path.name for path in folder.parent.iterdir()] == ["m"]

    closed_and_resumed()


def test_what_is_done_is_not_done_again(tmp_path):
    folder = tmp_path / "m"
    running = SENTIMENT.train(folder)
    next(event for event in running if isinstance(event, MemberExported))
    running.close()
    events = list(SENTIMENT.train(folder, rows=unread(), resume=True))
    assert [e.name for e in the(MemberExported, events)] == ["table", "ngrams"]
    assert [len(e.history) for e in the(Resumed, events)] == [2]
    assert {e.what for e in the(Working, events)} >= {"ngrams: tokens", "testing"}
    assert not {e.what for e in the(Working, events)} & {"table: tokens", "table: exporting"}
    assert len(the(Step, events)) == 2 * len([s for s in the(Step, events) if s.epoch == 1])
    (saved,) = the(Saved, events)
    assert {name: len(epochs) for name, epochs in saved.history.items()} == {"ngrams": 2, "table": 2}


@pytest.mark.slow
@each
def test_a_resumed_run_must_be_the_one_that_was_begun(tmp_path, tiny):
    folder, (place, was, other) = tmp_path / "m", tiny.part
    running = tiny.train(folder, origin={"files": {"a.csv": "12"}})
    next(event for event in running if isinstance(event, Step))
    running.close()
    changes = {
        f"settings.{place} was {was}, is {other}": f"{place.removeprefix('members.')}={other}",
        "settings.seed was 0, is 7": "seed=7",
        "training.epochs was 2, is 9": "training.epochs=9",
    }
    for sentence, change in changes.items():
        with pytest.raises(SettingError, match=sentence):
            next(tiny.train(folder, change, resume=True, origin={"files": {"a.csv": "12"}}))
    with pytest.raises(SettingError, match=r"a\.csv has changed or is another"):
        next(tiny.train(folder, resume=True, origin={"files": {"a.csv": "13"}}))
    with pytest.raises(BundleError, match="unfinished run"):
        next(tiny.train(folder))
    assert the(Saved, tiny.train(folder, rows=unread(), resume=True, origin={"files": {"a.csv": "12"}}))


def test_members_that_come_and_go_are_named(tmp_path):
    folder = tmp_path / "m"
    running = SENTIMENT.train(folder)
    next(event for event in running if isinstance(event, Step))
    running.close()
    sentence = r"settings.members.table was .*, is not there; settings.members.other was not there"
    with pytest.raises(SettingError, match=sentence):
        next(SENTIMENT.train(folder, "table.name=other", resume=True))


def test_a_run_of_another_task_is_not_resumed(tmp_path):
    running = SENTIMENT.train(tmp_path / "m")
    next(event for event in running if isinstance(event, Step))
    running.close()
    with pytest.raises(SettingError, match='task was "sentiment", is "cloze"'):
        next(TINY["cloze"].train(tmp_path / "m", resume=True))


def test_a_full_disk_is_told_by_the_sentence_that_says_how_to_go_on(tmp_path):
    running = SENTIMENT.train(tmp_path / "m", every=0)
    next(event for event in running if isinstance(event, Epoch))
    with files_no_larger_than(2000), pytest.raises(NlpkitError, match=r"cannot be written.*--resume"):
        list(running)
    assert the(Saved, SENTIMENT.train(tmp_path / "m", resume=True))


@pytest.mark.parametrize("where", [Working, Prepared, Fitting, Step, Epoch, MemberExported])
def test_what_fails_beside_a_run_breaks_nothing_off_for_good(tmp_path, where):
    running = SENTIMENT.train(tmp_path / "m")
    next(event for event in running if isinstance(event, where))
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    assert the(Saved, SENTIMENT.train(tmp_path / "m", resume=True))


# Rows


def test_copies_and_conflicts_go_before_the_split_and_are_counted(tmp_path, examples):
    copies = [Example(e.text.replace("。", "！"), e.label, "copies.csv") for e in examples[:20]]
    conflict = Example(examples[30].text, "positive" if examples[30].label == "negative" else "negative", "other.csv")
    rows = [*examples, *copies, conflict, Example("！！", "positive")]
    (prepared,) = the(Prepared, SENTIMENT.train(tmp_path / "m", rows=rows))
    assert prepared.rows == len(examples) + 22
    assert (prepared.conflicts, prepared.empty) == (1, 1)
    assert prepared.duplicates == 20 + 1
    assert prepared.train + prepared.validation + prepared.test == len(examples) - 1


@pytest.mark.parametrize("names", [{"d/a.csv": "a.csv", "b.csv": "b.csv"}, {"all": "corpus all", "b.csv": "b.csv"}])
def test_figures_stand_under_their_own_corpus(tmp_path, examples, names):
    first, second = names
    named = [Example(e.text, e.label, first if i % 4 else second) for i, e in enumerate(examples)]
    (saved,) = the(Saved, SENTIMENT.train(tmp_path / "m", rows=named))
    test = split_rows(named).test
    expected = {names[corpus]: sum(e.corpus == corpus for e in test) for corpus in names}
    assert {name: found.rows for name, found in saved.metrics.items()} == {"all": len(test), **expected}


def test_rows_too_few_for_validation(tmp_path, examples):
    rows = [e for e in examples if e in split_rows(examples).train][:9]
    with pytest.raises(DataError, match="too few: none fell into validation"):
        list(SENTIMENT.train(tmp_path / "m", rows=rows))


def test_nothing_is_doubted_of_sound_rows(tmp_path, examples):
    assert the(Remark, SENTIMENT.train(tmp_path / "m", "training.min_steps=300", rows=examples)) == []
