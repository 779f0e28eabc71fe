"""``nlpkit aspects score``: a line an opinion, a line a row, and sums by what opinions are on."""

import csv
import io

import click
import pytest
from nlpkit import SettingError
from nlpkit.commands import Look
from nlpkit.text import Row
from tiny_opinions import read_lines

from nlpkit_aspects.form import OpinionForm
from nlpkit_aspects.opinions import Opinion, Opinions
from nlpkit_aspects.sums import join_targets, read_targets


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_table_has_a_line_an_opinion_with_its_row(run, reviews):
    done = run("aspects", "score", reviews)
    rows = table(done.stdout)
    assert list(rows[0])[:3] == ["id", "text", "row"]
    assert [row["row"] for row in rows] == sorted(row["row"] for row in rows)
    assert {row["row"] for row in rows} == set("1234")
    first = [row for row in rows if row["id"] == "a"]
    assert len(first) > 1
    for row in rows:
        for name in ("target", "opinion"):
            if row[name]:
                begin = int(row[f"{name}_begin"])
                assert row["text"][begin : begin + len(row[name])] == row[name]
        assert bool(row["opinion"]) != bool(row["reason"])
    assert [row["reason"] for row in rows if row["id"] in "bc"] == ["no opinion", "empty"]


def test_json_has_a_line_a_row(run, reviews):
    rows = read_lines(run("aspects", "score", reviews, "--format", "jsonl").stdout)
    assert [row["id"] for row in rows] == list("abcd")
    for row in rows:
        for one in row["opinions"]:
            assert row["text"][slice(*one["opinion"])]
    assert rows[2]["reason"] == "empty"


def test_a_terminal_shows_the_words_of_each_opinion(run, reviews):
    shown = run("aspects", "score", reviews, "--format", "table").stdout
    assert "+ 菜: 很好吃  positive" in shown
    assert "(no opinion)" in shown


def test_a_page_and_a_workbook_have_a_line_an_opinion(run, reviews, tmp_path):
    lines = len(table(run("aspects", "score", reviews).stdout))
    page = run("aspects", "score", reviews, "--format", "html").stdout
    assert page.count("<tr>") == lines + 1
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    assert run("aspects", "score", reviews, "-o", tmp_path / "out.parquet").exit_code == 0
    found = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert len(found) == lines
    assert [row["id"] for row in found if row["reason"]] == ["b", "c"]


def test_surer_opinions_are_fewer(run, reviews):
    counts = [run("aspects", "score", reviews, "--min-probability", p).stdout.count("itive") for p in (0, 0.999)]
    assert counts[0] > counts[1]


def test_sums_join_like_targets(run, tmp_path):
    path = tmp_path / "reviews.txt"
    path.write_text("服务很好\n服务态度很差\n服务员很热情\n菜很好吃\n", "utf-8")
    rows = {row["target"]: row for row in table(run("aspects", "score", path, "--by", "target", "-f", "csv").stdout)}
    assert rows["服务"]["opinions"] == "3"
    assert (rows["服务"]["positive"], rows["服务"]["negative"]) == ("2", "1")
    assert set(rows["服务"]["also"].split()) == {"服务态度", "服务员"}
    shown = run("aspects", "score", path, "--by", "target", "-f", "table").stdout
    assert "67% positive" in shown
    objects = read_lines(run("aspects", "score", path, "--by", "target", "-f", "jsonl").stdout)
    assert objects[0]["target"] == "服务"
    own = tmp_path / "mine.txt"
    own.write_text("店 服务 菜\n", "utf-8")
    told = table(run("aspects", "score", path, "--by", "target", "--targets", own, "-f", "csv").stdout)
    assert (told[0]["target"], told[0]["opinions"]) == ("店", "4")


def test_targets_are_joined_by_the_table_and_by_their_ends():
    names = read_targets()
    counts = {"手机电池": 1, "续航": 3, "酒店房间": 2, "牛肉": 5, "红烧牛肉": 1, "牛肉面": 2, "肉": 9}
    joined = join_targets(counts, names)
    assert joined["手机电池"] == joined["续航"] == "电池"
    assert joined["酒店房间"] == "房间"
    assert joined["红烧牛肉"] == "牛肉"
    assert joined["牛肉面"] == "牛肉面"


def test_colours_are_ours_alone():
    text = "菜很好\x1b[31m"
    answer = Opinions([Opinion((0, 1), (1, 3), "positive", 0.9)])
    shown = OpinionForm(None, Look(color=True)).line(Row(text), answer)
    assert shown.startswith(f"{click.style('菜', underline=True)}{click.style('很', fg='green')}")
    assert "\x1b[31m" not in shown
    assert "\x1b" not in OpinionForm(None, Look()).line(Row(text), answer)


def test_sums_are_no_workbook():
    with pytest.raises(SettingError, match="sums are written as jsonl, csv, tsv, table, not as xlsx"):
        OpinionForm(None, Look(), {"by": "target"}).writer("xlsx")
