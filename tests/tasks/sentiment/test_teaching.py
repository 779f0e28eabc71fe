"""Whole runs of students, tiny but real: on mixtures of corpora, interrupted, refused, in the shell."""

import itertools
import json
import sys

import pytest

torch = pytest.importorskip("torch")

import nlpkit  # noqa: E402
from nlpkit.errors import DataError, SettingError  # noqa: E402
from nlpkit.model.bundle import add_checksums, save  # noqa: E402
from nlpkit.tasks.sentiment.run import SentimentRun  # noqa: E402
from nlpkit.tasks.sentiment.task import SENTIMENT  # noqa: E402
from nlpkit.text.example import Example, Source  # noqa: E402
from nlpkit.training import teacher  # noqa: E402
from nlpkit.training.events import Note, Prepared, Remark, Saved, Working  # noqa: E402
from nlpkit.training.mixture import group_validation, weigh_validation  # noqa: E402
from nlpkit.training.run import train  # noqa: E402
from nlpkit.training.storage import StoredCorpus, store_corpus  # noqa: E402
from tests.outcomes import one_sentence  # noqa: E402
from tests.tiny import model_files  # noqa: E402
from tests.training.runs import NGRAMS, TABLE, files_of, reviews, the  # noqa: E402

pytestmark = pytest.mark.train
FREE = Source("free.txt", use="unlabelled", weight=0.5)
JUDGES = Source("judges.csv", use="validation")
ODD = Source("odd.csv", balance=True)
CNN = TABLE | {"name": "cnn", "encoder": {"name": "cnn", "filters": 4}, "head": {"pooling": "max"}}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A picture takes longer than all the rest."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(teacher, "ROWS", 32)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A teacher that goes by a few characters."""
    folder = tmp_path_factory.mktemp("teacher") / "large"
    save(folder, add_checksums(model_files(characters="好差喜失很太快慢")))
    return str(folder)


def mixed():
    """Rows of every use."""
    manners = [("很好", "positive"), ("太差", "negative"), ("很快", "positive"), ("太慢", "negative")]
    dealt = [Example(f"第{i}家店{m}", label, "goods.csv") for i, (m, label) in itertools.product(range(30), manners)]
    odd = [
        Example(f"{i}号{'好' if i % 5 else '差'}", "positive" if i % 5 else "negative", "odd.csv") for i in range(80)
    ]
    judges = [Example(f"评{i}{m}", label, "judges.csv") for i, (m, label) in itertools.product(range(5), manners)]
    free = [Example(f"第{i}句，{'好' if i % 3 else '差'}", "", "free.txt") for i in range(50)]
    free += [Example(text, "", "free.txt") for text in ("ABC", dealt[0].text)]
    for rows, source in ((odd, ODD), (judges, JUDGES), (free, FREE)):
        for row in rows:
            row.source = source
    return [*judges, *dealt, *odd, *free]


def settings(large, *members, **changes):
    tables = {
        "members": list(members or (NGRAMS, TABLE)),
        "teacher": {"model": large, "weight": 0.7},
        "validation_corpora": ["judges.csv"],
        "validation_share": 0.4,
        "exits": "agree",
        "agreement": 0.9,
    }
    return SentimentRun.shape().make_settings(tables | changes)


def test_a_student_tells_by_whom_and_by_what_it_was_taught(tmp_path, large):
    events = list(train(SENTIMENT, mixed(), settings(large), tmp_path / "m"))
    model = nlpkit.load(tmp_path / "m")
    config, (prepared,), (saved,) = model.bundle.config, the(Prepared, events), the(Saved, events)
    assert config["teacher"]["model"] == "large"
    assert (config["teacher"]["weight"], config["teacher"]["temperature"]) == (0.7, 1.0)
    assert config["teacher"]["labelled"] == prepared.train
    of = config["data"]["unlabelled"]
    assert (of["rows"], of["held_out"] + of["trained"]) == (52, 1)
    assert config["teacher"]["unanswered"]["unlabelled"] == 1
    parts = {part["name"]: part for part in config["data"]["mixture"]}
    assert parts["judges.csv"]["rows"] == {"train": 0, "validation": 20, "test": 0}
    assert len(set(parts["odd.csv"]["drawn"].values())) == 1
    assert (parts["free.txt"]["weight"], parts["free.txt"]["rows"]) == (0.5, {"unlabelled": 50})
    (found,) = config["exits"]
    assert found["groups"].keys() == {"ordinary rows", "judges.csv"}
    assert [stage["exit"] for stage in config["stages"]] == [found["exit"], None]
    assert all(of["agree"] >= 0.9 * of["left"] for of in found["groups"].values())
    notes = "\n".join(event.sentence for event in the(Note, events))
    for expected in (
        "judges.csv: 20 rows, all for validation",
        "odd.csv: drawn for training: negative ",
        "free.txt: each row weighs 0.5",
        "validation: 0.4 of what counts are judges.csv",
        "52 rows without labels; dropped: ",
        "taught by large: ",
        "rows leave at ngrams from ",
    ):
        assert expected in notes
    (remark,) = (r for r in the(Remark, events) if "still getting better" not in r.sentence)  # in two epochs
    assert "to 1 without labels, which were dropped: 1 no evidence" in remark.sentence
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    for expected in ("A student of the model large", "judges.csv: all 20 rows for validation", "drawn: negative "):
        assert expected in card
    assert model.check() == []
    assert saved.metrics["all"].accuracy > 0.9
    for path in (tmp_path / "m").rglob("*.*"):
        assert str(large).encode() not in path.read_bytes()


@pytest.mark.slow
@pytest.mark.long
def test_a_student_that_is_broken_off_again_and_again_comes_to_the_same_files(tmp_path, large):
    made = settings(large)
    list(train(SENTIMENT, mixed(), made, tmp_path / "whole" / "m"))
    folder, asked = tmp_path / "closed" / "m", []
    for number in range(4):
        running = train(SENTIMENT, mixed() if number == 0 else iter(()), made, folder, resume=number > 0, every=1e9)
        asking = (event for event in running if isinstance(event, Working) and event.what == "teacher")
        asked.append([next(asking).done, next(asking).done])
        running.close()
    list(train(SENTIMENT, iter(()), made, folder, resume=True))
    assert asked == [[0, 32], [32, 64], [64, 96], [96, 128]]
    one, two = files_of(tmp_path / "whole" / "m"), files_of(folder)
    assert one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("member", [NGRAMS, TABLE, CNN], ids=lambda member: member["name"])
def test_every_kind_of_member_learns_from_texts_that_nobody_labelled(tmp_path, large, member):
    """快 and 慢 stand in texts without labels alone."""
    rows = [e for e in mixed() if not set("快慢") & set(e.text)]
    rows += [
        Example(f"{i}{word}", "", "free.txt", source=Source("free.txt", use="unlabelled"))
        for i, word in itertools.product(range(60), ("快", "慢"))
    ]
    training = member["training"] | {"epochs": 6}
    list(train(SENTIMENT, rows, settings(large, member | {"training": training}, exits=[]), tmp_path / "m"))
    scores = nlpkit.load(tmp_path / "m").score(["这个快", "这个慢"])
    assert [score.label for score in scores] == ["positive", "negative"]


def test_rows_that_are_left_out_by_name_are_told(tmp_path):
    rows = [Example(e.text, "3" if i % 7 == 0 else e.label, e.corpus) for i, e in enumerate(mixed()) if e.label]
    made = SentimentRun.shape().make_settings({"members": [NGRAMS], "labels": {"3": ""}})
    events = list(train(SENTIMENT, rows, made, tmp_path / "m"))
    assert f"rows were left out as asked: {sum(e.label == '3' for e in rows)} labelled '3'" in [
        event.sentence for event in the(Note, events)
    ]


def test_too_many_rows_for_validation_alone_are_refused(tmp_path, large, monkeypatch):
    monkeypatch.setattr("nlpkit.tasks.sentiment.run.COMPARE_ROWS", 19)
    with pytest.raises(DataError, match="validation_corpora hold 20 rows, and of all validation rows the first 19"):
        list(train(SENTIMENT, mixed(), settings(large), tmp_path / "m"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"teacher": {}, "unlabelled": ["a.txt"]}, "a.txt have no labels: say by --teacher"),
        (
            {"teacher": {}, "corpora": [{"file": "a.csv", "balance": True, "rest": "teach"}]},
            "the rest of a.csv is to be taught: say by --teacher",
        ),
        ({"teacher": {"weight": 0.2}}, r"the table \[teacher\] names no model"),
        ({"teacher": {"model": "x", "weight": 1.5}}, r"teacher: weight must be in \[0, 1\], was: 1.5"),
        ({"validation_corpora": []}, "validation_share is that of validation_corpora"),
        ({"validation_share": 1.0}, r"validation_share must be in \(0, 1\)"),
        ({"exits": "agrees"}, "exits cannot be 'agrees'|exits wants"),
        ({"members": [NGRAMS], "exits": "agree"}, "exits = 'agree' wants several members"),
        ({"agreement": 0}, r"agreement must be in \(0, 1\]"),
        ({"corpora": [{"file": "a.csv", "wieght": 1}]}, "no setting 'wieght'; did you mean 'weight'"),
        ({"corpora": [{"weight": 1}]}, "corpora lacks file"),
        ({"corpora": {"file": "a.csv"}}, "corpora wants a list of tables"),
        ({"corpora": [{"file": "a.csv", "share": 0}]}, r"share must be in \(0, 1\]"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(large, changes, sentence):
    with pytest.raises(SettingError, match=sentence) as caught:
        settings(large, **changes)
    assert "\n" not in str(caught.value)


def test_validation_counts_as_it_is_shared(tmp_path):
    rows = [Example(f"第{i}家店", str(i % 2)) for i in range(60)]
    rows += [Example(f"甲{i}", str(i % 2), source=Source("a/judges.csv", use="validation")) for i in range(3)]
    rows += [Example("乙", "1", source=Source("b.csv", use="validation"))]
    for _ in store_corpus(rows, tmp_path / "corpus", test=0.2, validation=0.2):
        pass
    corpus = StoredCorpus(tmp_path / "corpus")
    groups, weights = group_validation(corpus), weigh_validation(corpus, 0.4)
    assert [len(groups[name]) for name in ("judges.csv", "b.csv")] == [3, 1]
    total = len(corpus.rows("validation"))
    assert [weights[rows].sum() / total for rows in groups.values()] == pytest.approx([0.6, 0.2, 0.2])
    assert weigh_validation(corpus, None) is None


# In the shell


@pytest.fixture
def files(tmp_path):
    """The rows of `mixed`, each corpus in a file, with odd columns and labels."""
    rows = mixed()
    for name in ("goods.csv", "odd.csv", "judges.csv"):
        lines = (f"{e.text},{e.label}" for e in rows if e.corpus == name)
        (tmp_path / name).write_text("甲,乙\n" + "\n".join([*lines, "随便一句,none"]) + "\n", encoding="utf-8")
    (tmp_path / "free.txt").write_text("\n".join(e.text for e in rows if e.corpus == "free.txt"), encoding="utf-8")
    columns = 'column = "甲", label_column = "乙", labels = { none = "" }'
    tables = ", ".join(
        f'{{ file = "{name}", {columns}{more} }}'
        for name, more in (("goods.csv", ""), ("odd.csv", ", balance = true"), ("judges.csv", ""))
    )
    (tmp_path / "mine.toml").write_text(
        f'corpora = [{tables}, {{ file = "other.csv" }}]\nvalidation_corpora = ["{tmp_path / "judges.csv"}"]\n' + TOML,
        encoding="utf-8",
    )
    return tmp_path


TOML = """
[[members]]
name = "characters"
tokenizer = { name = "char" }
embedding = { name = "ngrams", low = 1, high = 2, bits = 14 }
encoder = { name = "none" }
head = { pooling = "sqrtn", projection = false }
training = { epochs = 2, learning_rate = 0.02, batch_size = 16 }
"""


@pytest.mark.slow
@pytest.mark.long
def test_the_command_says_what_it_did_with_every_corpus(run, files, large):
    done = run(
        *("sentiment", "train", files / "goods.csv", files / "odd.csv", "--unlabelled", files / "free.txt"),
        *("--teacher", large, "--config", files / "mine.toml", "-o", files / "m"),
    )
    said = done.stderr.decode()
    assert done.returncode == 0, said
    for expected in (
        "Warning: the recipe has a table [[corpora]] of other.csv, which is none of the corpora",
        "1 labelled 'none' in goods.csv, as asked",
        "judges.csv: 20 rows, all for validation",
        "odd.csv: drawn for training",
        "taught by large",
    ):
        assert expected in said
    config = json.loads((files / "m" / "config.json").read_bytes())
    assert config["settings"]["unlabelled"] == ["free.txt"]
    assert config["settings"]["validation_corpora"] == ["judges.csv"]
    assert config["settings"]["teacher"]["model"] == "large"
    assert str(files).encode() not in (files / "m" / "config.json").read_bytes()


@pytest.mark.slow
@pytest.mark.long
def test_a_dry_run_shows_teacher_texts_without_labels_and_groups(run, files, large):
    done = run(
        *("sentiment", "train", files / "goods.csv", files / "odd.csv", "--unlabelled", files / "free.txt"),
        *("--teacher", large, "--config", files / "mine.toml", "--dry-run"),
    )
    assert done.returncode == 0, done.stderr.decode()
    said = done.stderr.decode()
    assert "the teacher large answers " in said
    assert "52 rows without labels" in said
    assert "judges.csv: 20 rows, all for validation" in said
    assert ", and 51 without labels" in done.stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["goods.csv", "--unlabelled", "free.txt"], 2, "free.txt have no labels: say by --teacher"),
        (["goods.csv", "--teacher", "nowhere"], 1, "nowhere"),
        (["goods.csv", "--teacher", "reviews-cloze"], 1, "reviews-cloze is a model for cloze"),
        (["goods.csv", "--teacher", "reviews", "--unlabelled", "lost.txt"], 1, "lost.txt"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_sentence(run, files, arguments, code, sentence):
    done = run("sentiment", "train", *arguments, "--column", "甲", "--label-column", "乙", "-o", "m", cwd=files)
    assert sentence in one_sentence(done, code)
    assert not (files / "m").exists()
    assert not (files / "m.training").exists()


def test_the_card_says_where_corpora_come_from_and_under_which_licence(tmp_path):
    told = {"corpora": [{"file": "one.csv", "source": "a shop", "licence": "MIT"}]}
    made = SentimentRun.shape().make_settings({"members": [NGRAMS], **told})
    list(train(SENTIMENT, reviews(), made, tmp_path / "m"))
    lines = (tmp_path / "m" / "README.md").read_text("utf-8").splitlines()
    at = lines.index("| corpus | rows | source | licence, as stated there |")
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in lines[at + 1 : at + 4]]
    assert {len(row) for row in rows} == {4}
    assert {(row[0], *row[2:]) for row in rows[1:]} == {
        ("one.csv", "a shop", "MIT"),
        ("two.csv", "not said", "not said"),
    }
