"""What is done of each file, without a cluster and without Dask."""

import json

import nlpkit
import pytest
from dask_tables import core
from nlpkit.commands import FileAnswerer

from nlpkit_dask.journal import Journal
from nlpkit_dask.partitions import list_partitions
from nlpkit_dask.scoring import answer_partition
from nlpkit_dask.storage import Place


@pytest.fixture
def answerer():
    return FileAnswerer(nlpkit.load("reviews"), "csv", column="review")


def targets(*patterns, kind=None):
    return [partition.target for partition in list_partitions(list(map(str, patterns)), kind)]


def test_answers_lie_as_files_do(reviews):
    assert targets(reviews / "*.csv") == ["a.csv"]
    assert targets(reviews / "**" / "*.csv") == ["a.csv", "more/b.csv"]
    assert targets(reviews / "a.csv", reviews / "more" / "b.csv") == ["a.csv", "more/b.csv"]
    assert targets(reviews / "*.txt") == ["lines.txt.jsonl"]
    assert targets(reviews / "*.csv", kind="parquet") == ["a.csv.parquet"]
    assert targets(reviews / "a.csv", reviews / "*.csv") == ["a.csv"]
    (reviews / "c.CSV.gz").write_bytes(b"")
    assert targets(reviews / "c*") == ["c.CSV"]


def test_no_file_and_two_of_one_name_are_refused(reviews):
    with pytest.raises(nlpkit.DataError, match=r"no file is called .*nothing\*"):
        targets(reviews / "nothing*")
    (reviews / "a.csv.gz").write_bytes(b"")
    with pytest.raises(nlpkit.DataError, match=r"would all be called a\.csv: score them apart"):
        targets(reviews / "*.csv", reviews / "*.gz")


def test_a_file_is_answered_as_by_the_core(reviews, answerer, run, tmp_path):
    journal = Journal(Place.of(tmp_path / "out"), answerer.asked)
    partitions = list_partitions([str(reviews / "**" / "*.csv")])
    assert journal.begin(partitions, resume=False, force=False) == {}
    for partition in partitions:
        counted, warned = answer_partition(answerer, partition, journal, nlpkit.__version__)
        written = (tmp_path / "out" / partition.target).read_bytes()
        assert written == core(run, partition.source.path, tmp_path / f"core-{counted['rows']['rows']}.csv")
        assert warned == []
    again = Journal(Place.of(tmp_path / "out"), answerer.asked)
    done = again.begin(partitions, resume=True, force=False)
    assert {target: counted["rows"]["rows"] for target, counted in done.items()} == {"a.csv": 60, "more/b.csv": 40}


def test_what_has_changed_since_is_not_done(reviews, answerer, tmp_path):
    journal = Journal(Place.of(tmp_path / "out"), answerer.asked)
    partitions = list_partitions([str(reviews / "**" / "*.csv")])
    journal.begin(partitions, resume=True, force=False)
    for partition in partitions:
        answer_partition(answerer, partition, journal, nlpkit.__version__)
    with (reviews / "a.csv").open("a", encoding="utf-8") as file:
        file.write("100,好\n")
    assert list(journal.begin(partitions, resume=True, force=False)) == ["more/b.csv"]
    (tmp_path / "out" / "more" / "b.csv").write_bytes(b"half")
    assert journal.begin(partitions, resume=True, force=False) == {}


def test_a_run_goes_on_only_with_the_same(reviews, answerer, tmp_path):
    output = Place.of(tmp_path / "out")
    journal = Journal(output, answerer.asked)
    partitions = list_partitions([str(reviews / "**" / "*.csv")])
    journal.begin(partitions, resume=False, force=False)
    for partition in partitions:
        answer_partition(answerer, partition, journal, nlpkit.__version__)
    with pytest.raises(nlpkit.DataError, match=r"holds 2 answered files of a run: --resume does the others, --force"):
        journal.begin(partitions, resume=False, force=False)
    other = FileAnswerer(nlpkit.load("reviews"), "csv", column="id", options={"min_probability": 0.9})
    with pytest.raises(nlpkit.DataError, match="was begun with other columns, options: --force"):
        Journal(output, other.asked).begin(partitions, resume=True, force=False)
    with pytest.raises(
        nlpkit.DataError, match=r"holds more/b\.csv, the answers of .*b\.csv, which is none of the files"
    ):
        journal.begin(partitions[:1], resume=True, force=False)
    assert journal.begin(partitions[:1], resume=False, force=True) == {}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_nlpkit", "more"]
    assert list((tmp_path / "out" / "more").iterdir()) == []


def test_what_nobody_recorded_is_not_replaced(reviews, answerer, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.csv").write_text("mine")
    journal = Journal(Place.of(tmp_path / "out"), answerer.asked)
    with pytest.raises(nlpkit.DataError, match=r"holds a\.csv already"):
        journal.begin(list_partitions([str(reviews / "a.csv")]), resume=True, force=False)
    assert (tmp_path / "out" / "a.csv").read_text() == "mine"


def test_another_version_of_nlpkit_is_refused(reviews, answerer, tmp_path):
    journal = Journal(Place.of(tmp_path / "out"), answerer.asked)
    [partition] = list_partitions([str(reviews / "a.csv")])
    with pytest.raises(nlpkit.NlpkitError, match=r"a worker has nlpkit .*, and the run was begun with 0\.0"):
        answer_partition(answerer, partition, journal, "0.0")


def test_files_may_lie_elsewhere(reviews, answerer, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.put_file(str(reviews / "a.csv"), "/shop/reviews/a.csv")
    partitions = list_partitions(["memory://shop/reviews/*.csv"])
    assert [(partition.name, partition.target) for partition in partitions] == [
        ("memory:///shop/reviews/a.csv", "a.csv")
    ]
    journal = Journal(Place.of("memory://shop/scored"), answerer.asked)
    assert journal.begin(partitions, resume=False, force=False) == {}
    answer_partition(answerer, partitions[0], journal, nlpkit.__version__)
    answerer.answer(reviews / "a.csv", tmp_path / "a.csv")
    assert store.cat_file("/shop/scored/a.csv") == (tmp_path / "a.csv").read_bytes()
    assert list(journal.begin(partitions, resume=True, force=False)) == ["a.csv"]
    journal.begin(partitions, resume=False, force=True)
    assert not store.exists("/shop/scored/a.csv")
    store.rm("/shop", recursive=True)


def test_records_are_json_below_a_name_that_readers_of_tables_leave_out(reviews, answerer, tmp_path):
    journal = Journal(Place.of(tmp_path / "out"), answerer.asked)
    partitions = list_partitions([str(reviews / "a.csv")])
    journal.begin(partitions, resume=False, force=False)
    answer_partition(answerer, partitions[0], journal, nlpkit.__version__)
    record = json.loads((tmp_path / "out" / "_nlpkit" / "a.csv.done.json").read_text("utf-8"))
    assert record["counted"]["rows"]["rows"] == 60
    assert record["state"] == partitions[0].source.state()
