"""A report: right figures, nothing loaded from elsewhere, nothing of a text taken for markup, and a page that fits."""

import re
import shutil
import subprocess
from datetime import date
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.commands.reports.gathering import TopRows, put_together, read_date
from nlpkit.commands.reports.words import compare_words
from nlpkit.commands.summary import Counts

ROWS = [
    ("水果", "2024-01-03", "好吃的苹果，好"),
    ("水果", "2024/2/4 08:00", "烂了，差"),
    ("水果", "", "差差差"),
    ("手机", "2024年3月5日", "好货<script>alert(1)</script>&amp;"),
    ("手机", "20240406", ""),
    ("", "昨天", "快"),
]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "订单.csv"
    lines = ["品类,日期,评价", *(f'{kind},{when},"{text}"' for kind, when, text in ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def report(run, tiny_model, table, tmp_path):
    def make(*more):
        output = tmp_path / "report.html"
        done = run("sentiment", "report", table, "--column", "评价", "-m", tiny_model, "-o", output, *more)
        return done, output.read_text(encoding="utf-8") if output.is_file() else None

    return make


@pytest.mark.train
def test_a_page_says_what_came_out(report):
    done, html = report("--by", "品类", "--date", "日期")
    assert done.returncode == 0
    page = Page(html)
    assert "共 6 条，其中 5 条有结论，0 条把握不足，1 条无法判断" in page.text
    assert "60.0%" in page.text  # three of five
    assert "2 条没有可识别的日期" in page.text
    assert {"水果", "手机", "（无）"} <= set(re.findall(r"[（）\w]+", page.text))
    assert page.tags.count("svg") == 3
    assert "差差差" in page.text


@pytest.mark.train
def test_a_page_needs_nothing_else_and_runs_nothing(report):
    _, html = report("--by", "品类")
    page = Page(html)
    assert "script" not in page.tags
    assert "alert(1)" in page.text
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"@import|url\((?!#)", html)


@pytest.mark.train
def test_it_is_english_if_wanted_and_replaces_nothing_unasked(report):
    _, html = report("--language", "en", "--min-probability", "0.7", "--title", "Orders <1>")
    page = Page(html)
    assert "Orders <1>" in page.text
    assert "of 1 the model is not sure enough" in page.text
    done, _ = report()
    assert done.returncode == 1
    assert "--force" in done.stderr.decode()


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--by", "品"), 1, "品类"),
        (("--date", "date"), 1, "日期"),
        (("--worst", "bad"), 2, "negative"),
        (("--labels", "good,bad"), 2, "no label"),
    ],
)
@pytest.mark.train
def test_what_is_not_there_is_told(report, more, code, said):
    done, html = report(*more)
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert html is None


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2024-01-31 08:00:00", date(2024, 1, 31)),
        ("2024/1/5", date(2024, 1, 5)),
        ("2024年12月1日", date(2024, 12, 1)),
        ("2024年12月", date(2024, 12, 1)),
        ("20240131", date(2024, 1, 31)),
        ("2024-13-01", None),
        ("昨天", None),
        ("12345678901", None),
        ("45321.5", None),
        ("1234.5", None),
        ("12024-01-05", None),
        ("2024-01-311", None),
        ("9999-12-31", None),
        ("0001-01-01", None),
        ("2024.1.5", date(2024, 1, 5)),
    ],
)
def test_days_are_read_as_people_write_them(written, day):
    assert read_date(written) == day


def test_many_days_are_put_together():
    one = Counts()
    one.rows, one.labels["a"] = 2, 2
    step, days = put_together({date(2024, 1, 1): one, date(2024, 1, 20): one, date(2025, 3, 2): one})
    assert step == "month"
    assert [(day, counts.labels["a"]) for day, counts in days.items()] == [(date(2024, 1, 1), 4), (date(2025, 3, 1), 2)]
    assert put_together({date(2024, 1, 3): one, date(2024, 1, 5): one})[0] == "day"
    assert put_together({})[1] == {}


def test_words_of_one_side_come_first_and_words_of_both_not_at_all():
    bad, good = {"退货": 30, "快递": 50, "罕见": 1}, {"好看": 40, "快递": 50}
    found = compare_words(_count(bad), _count(good), rows=100, others=100)
    assert [word.word for word in found] == ["退货"]
    assert (found[0].rows, found[0].others) == (30, 0)
    assert compare_words(_count(bad), _count(good), rows=100, others=0) == []


@given(
    st.dictionaries(st.sampled_from("甲乙丙"), st.integers(0, 9)),
    st.dictionaries(st.sampled_from("甲乙丙"), st.integers(0, 9)),
)
def test_any_words_can_be_compared(first, second):
    found = compare_words(_count(first), _count(second), rows=9, others=9)
    assert all(word.rows > word.others for word in found)


def _count(words):
    from collections import Counter

    return Counter(words)


def test_the_first_of_equal_rows_stay():
    top = TopRows(2)
    for name, value in (("a", 0.5), ("b", 0.9), ("c", 0.5), ("d", 0.1)):
        top.add(value, name)
    assert top.rows() == ["b", "a"]


HARNESS = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="page" src="report.html" width="{width}" height="800"></iframe>
<pre id="said"></pre><script>
document.getElementById("page").addEventListener("load", event => {{
  const page = event.target.contentDocument, wide = page.documentElement.scrollWidth;
  const seen = [...page.querySelectorAll("figure svg")].filter(svg => svg.getBoundingClientRect().width > 100).length;
  document.getElementById("said").textContent = `wide ${{wide}} charts ${{seen}}`;
}});
</script>"""


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")
@pytest.mark.parametrize("width", [375, 1200])
def test_it_fits_a_phone_and_a_screen(report, tmp_path, width):
    report("--by", "品类", "--date", "日期")
    (tmp_path / "harness.html").write_text(HARNESS.format(width=width), encoding="utf-8")
    seen = _browse(tmp_path, "--dump-dom", "--virtual-time-budget=5000", "--allow-file-access-from-files")
    wide, charts = map(int, re.search(r"wide (\d+) charts (\d+)", seen).groups())
    assert wide <= width
    assert charts == 3


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")
def test_it_prints_on_a_few_pages(report, tmp_path):
    report("--by", "品类", "--date", "日期")
    (tmp_path / "harness.html").write_bytes((tmp_path / "report.html").read_bytes())
    _browse(tmp_path, "--print-to-pdf=report.pdf", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "report.pdf").read_bytes()))
    assert 1 <= pages <= 6


def _browse(folder, *options):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    page = (folder / "harness.html").as_uri()
    done = subprocess.run([*command, *options, page], capture_output=True, cwd=folder, timeout=120, check=True)
    return done.stdout.decode()
