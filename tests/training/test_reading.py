import pytest

from nlpkit.errors import DataError, DataWarning, SettingError
from nlpkit.tasks.cloze.settings import ClozeSettings
from nlpkit.text.example import DEALT, Faults
from nlpkit.training.reading import CorpusSettings, MixtureReader, TextCorpus

CARS = "label,review\nnone,几点开门\npositive,很好\nneutral,一般\nnegative,太差\nnone,在哪里\n"


@pytest.fixture
def cars(tmp_path):
    path = tmp_path / "cars.csv"
    path.write_text(CARS, encoding="utf-8")
    return str(path)


def read(reader, corpus, **query):
    faults = Faults()
    rows = list(reader(corpus, faults=faults, **query))
    return [(e.text, e.label) for e in rows], rows, faults


def table(**options):
    return [CorpusSettings(file="cars.csv", **options)]


def test_none_becomes_neutral_by_a_map_and_is_no_label_without(cars):
    labels = [label for _, label in read(MixtureReader([cars], table(labels={"none": "neutral"})), cars)[0]]
    assert labels == ["neutral", "positive", "neutral", "negative", "neutral"]
    _, _, faults = read(MixtureReader([cars], []), cars)
    assert str(faults).startswith("2 no label")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"labels": {"none": "", "neutral": ""}}, "2 labelled 'none' in cars.csv, as asked, 1 labelled 'neutral'"),
        (
            {"labels": {"none": "neutral", "positive": "positive"}, "other_labels": "drop"},
            "1 labelled 'neutral' in cars.csv, as asked, 1 labelled 'negative'",
        ),
    ],
)
def test_rows_are_left_out_on_purpose_and_counted(cars, options, told):
    pairs, _, faults = read(MixtureReader([cars], table(**options)), cars)
    assert len(pairs) == 5 - faults.total()
    assert str(faults).startswith(told)


def test_a_label_that_no_row_has_is_told_and_refused_where_it_is_so_with_all(cars):
    with pytest.warns(DataWarning, match="no row has the label 'positiv'; did you mean 'positive'"):
        read(MixtureReader([cars], table(labels={"positiv": "good", "negative": "bad"})), cars)
    with pytest.raises(DataError, match=r"no row has any of the labels 1, 0; there is: negative, neutral, positive"):
        read(MixtureReader([cars], table(labels={"1": "good", "0": "bad"})), cars)


def test_a_table_is_of_the_file_of_its_name_wherever_that_lies(cars):
    reader = MixtureReader([cars], [*table(weight=0.5, balance=True), CorpusSettings(file="other.csv")])
    _, rows, _ = read(reader, cars)
    assert {(e.source.name, e.source.weight, e.source.balance) for e in rows} == {(cars, 0.5, True)}
    assert reader.unused == ["other.csv"]
    plain = MixtureReader([cars], [])
    assert all(e.source is DEALT for e in read(plain, cars)[1])


def test_columns_and_encoding_of_a_table_go_before_those_of_the_command(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_bytes("甲,乙\n很好,1\n太差,0\n".encode("gb18030"))
    reader = MixtureReader([str(path)], [CorpusSettings(file="odd.csv", column="甲", label_column="乙")])
    pairs, _, _ = read(reader, str(path), column="丙", label_column="丁", encoding="gb18030")
    assert pairs == [("很好", "1"), ("太差", "0")]


def test_texts_alone_are_read_by_tables_that_say_where_they_come_from(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_bytes("甲,乙\n很好,一\n太差,二\n".encode("gb18030"))
    settings = ClozeSettings(
        members=(), tokenizer={"name": "char"}, corpora=(TextCorpus(file=str(path), column="甲", licence="MIT"),)
    )
    reader = settings.reader([])
    assert reader.corpora == [str(path)]
    pairs, rows, _ = read(reader, str(path), answer=None)
    assert pairs == [("很好", ""), ("太差", "")]
    assert all(e.source is DEALT for e in rows)
    (written,) = settings.record()["corpora"]
    assert (written["file"], written["licence"]) == ("odd.csv", "MIT")
    assert settings.reader(["other.txt"]).unused == [str(path)]


def test_validation_is_read_first_and_texts_without_labels_last(cars, tmp_path):
    (tmp_path / "free.txt").write_text("一句话\n另一句\n", encoding="utf-8")
    free, judges = str(tmp_path / "free.txt"), str(tmp_path / "judges.csv")
    (tmp_path / "judges.csv").write_text(CARS, encoding="utf-8")
    reader = MixtureReader([cars], [CorpusSettings(file="free.txt", weight=2.0)], [judges], [free])
    assert reader.corpora == [judges, cars, free]
    pairs, rows, _ = read(reader, free)
    assert pairs == [("一句话", ""), ("另一句", "")]
    assert {(e.source.use, e.source.weight) for e in rows} == {("unlabelled", 2.0)}
    assert {e.source.use for e in read(reader, judges)[1]} == {"validation"}


def test_labelled_rows_may_be_read_without_their_labels(cars):
    _, rows, faults = read(MixtureReader([], [], [], [cars]), cars)
    assert [e.label for e in rows] == [""] * 5
    assert not faults


def test_the_command_may_say_where_a_file_lies_that_the_recipe_names(cars):
    reader = MixtureReader(["goods.csv", cars], table(labels={"none": "neutral"}), ["cars.csv"])
    assert reader.corpora == [cars, "goods.csv"]
    pairs, rows, _ = read(reader, cars)
    assert {e.source.use for e in rows} == {"validation"}
    assert len(pairs) == 5
    assert MixtureReader([cars], [CorpusSettings(file="goods.csv")], ["cars.csv"]).corpora == [cars, "goods.csv"]


def test_without_a_command_the_tables_are_the_corpora_but_those_for_something_else(cars):
    tables = [CorpusSettings(file=cars), CorpusSettings(file="judges.csv")]
    reader = MixtureReader([], tables, ["somewhere/judges.csv"])
    assert reader.corpora == ["somewhere/judges.csv", cars]
    assert reader.unused == []


@pytest.mark.parametrize(
    ("tables", "validation", "unlabelled", "sentence"),
    [
        ([{"file": "a.csv"}, {"file": "a.csv"}], [], [], r"two tables \[\[corpora\]\] are of a.csv"),
        ([], ["b.csv"], ["b.csv"], "b.csv stands among validation_corpora and among unlabelled"),
        ([{"file": "b.csv", "balance": True}], [], ["b.csv"], "of b.csv speaks of labels"),
        (
            [{"file": "b.csv", "split": False}],
            [],
            ["b.csv"],
            "of b.csv says split = false, and its rows are unlabelled",
        ),
        ([{"file": "a.csv", "rest": "teach"}], [], [], "of a.csv says rest, and all of its rows are used: say balance"),
        ([{"file": "b.csv", "share": 0.5, "rest": "teach"}], ["b.csv"], [], "of b.csv says rest"),
        ([{"file": "b.csv", "weight": 2.0}], ["b.csv"], [], "of b.csv says weight = 2.0, which is for training"),
    ],
)
def test_what_contradicts_itself_is_one_sentence(tables, validation, unlabelled, sentence):
    with pytest.raises(SettingError, match=sentence):
        MixtureReader(["a.csv"], [CorpusSettings(**one) for one in tables], validation, unlabelled)


def test_all_rows_of_a_corpus_may_be_trained_on(cars):
    assert {e.source.use for e in read(MixtureReader([cars], table(split=False)), cars)[1]} == {"train"}
