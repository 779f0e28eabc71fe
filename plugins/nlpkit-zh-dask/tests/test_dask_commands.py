"""``nlpkit dask score`` on a cluster in this process; real processes are killed in test_dask_kills.py."""

import click
import nlpkit
import pytest
from dask_tables import core

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler():
    """The address of a scheduler with two workers, which are threads."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", protocol="inproc://"
    )
    with cluster:
        yield cluster.scheduler_address


def test_a_file_goes_out_for_each_that_comes_in(run, reviews, tmp_path, scheduler):
    pattern, out = reviews / "**" / "*.csv", tmp_path / "out"
    done = run("dask", "score", pattern, "--column", "review", "-o", out, "--scheduler", scheduler)
    assert "100 rows: " in done.stderr
    assert "; 2 files in " in done.stderr
    assert "could not be scored" in done.stderr
    assert done.stdout == ""
    for name in ("a.csv", "more/b.csv"):
        assert (out / name).read_bytes() == core(run, reviews / name, tmp_path / name.replace("/", "-"))
    before = (out / "a.csv").stat().st_mtime_ns
    again = run("dask", "score", pattern, "--column", "review", "-o", out, "--scheduler", scheduler, "--resume")
    assert "(2 were done before)" in again.stderr
    assert (out / "a.csv").stat().st_mtime_ns == before


def test_tasks_of_others_go_through_it(run, reviews, tmp_path, scheduler):
    pytest.importorskip("nlpkit_aspects")
    source, out = reviews / "lines.txt", tmp_path / "out"
    model = ["--task", "aspects", "--model", "restaurant-opinions"]
    run("dask", "score", source, *model, "-o", out, "--scheduler", scheduler)
    run("aspects", "score", source, "--model", "restaurant-opinions", "-o", tmp_path / "core.jsonl")
    assert (out / "lines.txt.jsonl").read_bytes() == (tmp_path / "core.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["--column", "text"], nlpkit.DataError, "has no column 'text'"),
        (["--column", "review", "--set", "explian=true"], nlpkit.SettingError, "did you mean 'explain'"),
        (["--column", "review", "--set", "min_probability=2"], nlpkit.SettingError, "min_probability must be in"),
        (["--column", "review", "--verb", "fill"], nlpkit.SettingError, "sentiment has no verb 'fill'"),
        (["--column", "review", "--model", "cloze"], nlpkit.BundleError, "cloze"),
        (["--column", "review", "--scheduler", "tcp://x", "--workers", "2"], click.UsageError, "say one of them"),
    ],
)
def test_faults_are_told_before_anything_starts(run, reviews, tmp_path, arguments, kind, said):
    done = run("dask", "score", reviews / "a.csv", "-o", tmp_path / "out", *arguments)
    assert isinstance(done.exception, kind)
    assert said in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_file_at_fault_stops_the_run_and_the_others_stay(run, reviews, tmp_path, scheduler):
    (reviews / "z.csv").write_text("id,text\n1,好\n", "utf-8")
    command = ["dask", "score", reviews / "*.csv", "-c", "review", "-o", tmp_path / "out", "--scheduler", scheduler]
    done = run(*command)
    assert isinstance(done.exception, nlpkit.DataError)
    assert "z.csv has no column 'review'" in str(done.exception)
    (reviews / "z.csv").write_text("id,review\n1,好\n", "utf-8")
    assert "61 rows" in run(*command, "--resume").stderr
    run(*command, "--resume", "--strict", code=1)


def test_help_shows_it_used(run):
    assert "nlpkit dask score 'reviews/*.csv' --column review -o scored" in run("dask", "score", "--help").output
