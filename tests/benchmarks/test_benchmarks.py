"""Every benchmark can be imported, and runs small; so none of them rots."""

import csv
import importlib
import itertools
import json
import os
import random
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.audit.written import write_reviews

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
HEAVY = {
    "characters",
    "codes",
    "compositions",
    "diagnose",
    "large",
    "loop",
    "tutorial",
    "tutorials",
}  # what needs torch
GOOD = ("质量很好", "快递很快", "衣服好看", "手机不错", "服务热情", "房间干净", "值得推荐", "性价比高", "非常满意")
BAD = ("质量太差", "快递太慢", "衣服掉色", "手机坏了", "服务冷淡", "房间很脏", "不建议买", "浪费金钱", "非常失望")
THINGS = (  # so many that some are not among the most frequent words
    "手机电脑衣服裤子鞋子帽子毛巾杯子桌子椅子沙发窗帘台灯风扇冰箱空调电视相机耳机键盘鼠标书包钱包雨伞手表眼镜牙刷牙膏"
    "肥皂香水口红面膜苹果香蕉葡萄西瓜牛奶面包蛋糕饼干咖啡茶叶米饭面条饺子火锅烤鸭小说字典杂志报纸地图钢琴吉他篮球足球"
    "汽车火车飞机酒店宾馆餐厅早餐电梯大堂枕头被子床单浴室马桶花洒"
)


def thing(number):
    """A word of two characters."""
    at = 2 * number % len(THINGS)
    return THINGS[at : at + 2]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """A folder of the three corpora that the benchmarks read, each of a few rows."""
    folder = tmp_path_factory.mktemp("corpora")
    by_label = [itertools.permutations(words, 3) for words in (BAD, GOOD)]
    rows = [("，".join((thing(number), *next(by_label[number % 2]))), number % 2) for number in range(360)]
    lines = "".join(f"{text},,{label}\n" for text, label in rows[:160])
    (folder / "goods_zh.txt").write_text(lines, encoding="utf-8")
    shopping = [("酒店" if number % 3 else "书籍", label, text) for number, (text, label) in enumerate(rows[160:260])]
    write(folder / "online_shopping_10_cats.csv", ("cat", "label", "review"), shopping)
    write(folder / "ChnSentiCorp_htl_all.csv", ("label", "review"), [(label, text) for text, label in rows[260:]])
    return folder


def write(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def benchmark(monkeypatch, capsys):
    """Run a benchmark by its name, and return what it prints."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = set(sys.modules)

    def run(name, *arguments):
        importlib.import_module(name).main([str(argument) for argument in arguments])
        return capsys.readouterr().out

    yield run
    for name in set(SCRIPTS) & (set(sys.modules) - before):
        del sys.modules[name]


def numbers(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.train] if name in HEAVY else []) for name in SCRIPTS]
)
@pytest.mark.usefixtures("benchmark")
def test_importing_does_nothing(capsys, name):
    importlib.import_module(name)
    assert capsys.readouterr() == ("", "")


def test_every_script_with_a_main_stands_in_the_readme():
    scripts = {path.stem for path in FOLDER.glob("*.py") if "def main(" in path.read_text(encoding="utf-8")}
    said = set(re.findall(r"python benchmarks/(\w+)\.py", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert said == scripts


@pytest.mark.slow
@pytest.mark.long
def test_accuracy(benchmark, corpora):
    rows = benchmark("accuracy", corpora, "--alone").splitlines()
    assert "test rows: goods" in rows[0]
    assert rows[2].startswith("reviews")
    assert 50 < numbers(rows[2])[-1] <= 100


def test_aspects(benchmark):
    told = json.loads(benchmark("aspects", "--limit", "8"))
    assert told["all"]["rows"] == 8
    assert all(0 <= told["all"][name]["exact"]["f1"] <= 100 for name in ("model", "rules"))


@pytest.mark.slow
@pytest.mark.long
def test_domains(benchmark, corpora):
    write(corpora / "car_forum.csv", ("label", "review"), [("none", f"{thing(n)}在哪里") for n in range(60)])
    out = benchmark("domains", corpora, "--alone", "--rows", "5")
    for expected in ("goods (", "hotel (", "minimal_pairs (400)", "pairs_in_reviews (400)", "of 200 texts without"):
        assert expected in out
    assert "cars (" not in out  # it has neither good nor bad rows here


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.long
def test_few_rows_are_drawn_and_measured(benchmark, corpora):
    pytest.importorskip("torch")
    few = ("--rows", "80", "--test", "40", "--draws", "2")
    out = benchmark("few", corpora / "goods_zh.txt", "--alone", "--recipe", "ngrams", *few)
    lines = [line for line in out.splitlines() if "ngrams" in line]
    assert [line.split()[0] for line in lines] == ["0", "1", "mean"]
    assert all(0 <= figure <= 100 for line in lines for figure in numbers(line)[1:4])


@pytest.mark.slow
@pytest.mark.long
def test_accuracy_beside_its_rival(benchmark, corpora):
    pytest.importorskip("sklearn")
    assert benchmark("accuracy", corpora).count("SVC") == 4


def test_speed(benchmark, corpora, tmp_path):
    reviews = importlib.import_module("reviews")
    reviews.write_reviews(corpora, tmp_path / "reviews.txt", 500)
    assert float(benchmark("speed", tmp_path, "--inside", "nlpkit")) > 0
    assert len((tmp_path / "inside.jsonl").read_bytes().splitlines()) == 500


@pytest.mark.slow
@pytest.mark.long
def test_speed_beside_its_rival(benchmark, corpora):
    pytest.importorskip("fasttext")
    assert "whole process: ratio" in benchmark("speed", corpora, "--rows", 200, "--runs", 1)


@pytest.mark.slow
def test_picture(benchmark, tmp_path):
    pytest.importorskip("matplotlib")
    figures = tmp_path / "figures.json"
    benchmark("picture", "--measure", "--alone", "--figures", figures, "--output", tmp_path)
    measured, stored = (json.loads(path.read_text("utf-8")) for path in (figures, FOLDER / "picture.json"))
    for file, of_file in measured["files"].items():  # the picture that is there shows the model that is there
        assert stored["files"][file]["right"]["nlpkit"] == pytest.approx(of_file["right"]["nlpkit"], abs=0.3)
    for name in ("first-screen.svg", "first-screen.zh.svg"):
        drawn = ElementTree.fromstring((tmp_path / name).read_text("utf-8"))
        texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
        assert {"neutral", "(no evidence: no letters)", "nlpkit", *"想象那么差"} <= set(texts)
        assert f"{measured['files']['minimal_pairs.csv']['right']['nlpkit']:.1f}" in texts
        assert (tmp_path / name).stat().st_size < 60_000


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_jobs(benchmark, corpora):
    shown = benchmark("jobs", corpora, "--rows", 3000, "--runs", 1)
    assert numbers(shown.splitlines()[-1])[0] > 0.1


def test_scale(benchmark):
    few = ("--rows", "1e6", "--files-of", "1e4", "1e5", "5e5", "--workers", "10", "--life", "0.001", "--runs", "2")
    shown = benchmark("scale", *few)
    assert benchmark("scale", *few) == shown  # it is seeded
    lines = shown.splitlines()
    assert numbers(lines[1])[0] == 10
    small, middle, large = (numbers(line) for line in lines[-3:])
    assert (small[1], middle[1], large[1]) == (100, 10, 2)
    assert 1 < small[3] < large[3]  # slow workers cost most where files are large
    assert small[6] > large[6]


def test_a_simulated_run_without_mishaps_is_ideal(benchmark):
    benchmark("scale", "--rows", "1e5", "--files-of", "1e4", "--workers", "2", "--runs", "1")
    scale = sys.modules["scale"]
    cluster = scale.Cluster(workers=4, rate=100, overhead=0, dispatch=0, slow=0, slower=1, life=1e9, start=0)
    outcome = scale.simulate(cluster, 400, 1000, random.Random(0))
    assert 1 <= outcome.length / (400 * 1000 / 100 / 4) < 1.03
    assert (outcome.vain, outcome.deaths) == (0, 0)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_workers(benchmark, samples):
    pytest.importorskip("distributed")
    pytest.importorskip("nlpkit_dask")
    few = ("--rows", 40_000, "--files", 8, "--kills", 1)
    shown = benchmark("workers", samples / "labelled.csv", *few)
    assert "8 of 8 files are the same, byte for byte" in shown


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_serving(benchmark):
    pytest.importorskip("nlpkit_serve")
    few = ("--sizes", 1, 3, "--connections", 2, "--seconds", 0.5, "--starts", 1, "--servers", "nlpkit", "nothing")
    start, *lines = benchmark("serving", *few).splitlines()
    assert 0 < numbers(start)[0] < 60
    rows = [line.split() for line in lines if line.startswith(("nlpkit  ", "nothing  "))]
    assert [row[:3] for row in rows] == [[name, size, "2"] for name in ("nlpkit", "nothing") for size in "13"]
    assert all(numbers(row[3])[0] > 0 and len(row) == 8 for row in rows)  # a ninth would tell what was not answered


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_serving_of_good_and_bad_requests(benchmark):
    pytest.importorskip("nlpkit_serve")
    mixed = importlib.import_module("mixed_requests")
    shown = benchmark("serving", "--endurance", 1500, "--seconds", 1, "--memory", 100)
    assert {kind.name for kind in mixed.KINDS if kind.weight > 9} <= {line[:36].strip() for line in shown.splitlines()}
    assert "1,500 requests in" in shown


@pytest.mark.usefixtures("benchmark")
def test_faults_of_a_server_are_found():
    mixed = importlib.import_module("mixed_requests")
    good = {("one text", "200"): 9, ("broken JSON", "400"): 2, ("a list", "503"): 1, ("gone before asking", "gone"): 3}
    assert mixed.find_faults(good) == []
    assert mixed.find_faults({**good, ("one text", "500"): 1}) == ["one text: 500 1 times"]
    assert mixed.find_faults({**good, ("broken JSON", "200"): 1}) == ["broken JSON: 200 1 times"]
    assert mixed.find_faults({("one text", "cut off"): 1}) == ["one text: cut off 1 times"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="os.wait4")
def test_memory(benchmark, corpora):
    assert numbers(benchmark("memory", corpora, "--rows", 100, 1000).splitlines()[-1])[0] > 0.5


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
@pytest.mark.skipif(os.name == "nt", reason="os.wait4")
def test_start(benchmark):
    shown = benchmark("start", "--runs", 1)
    assert shown.count("CPU s") == 7
    assert "score one sure review / import torch: 0." in shown


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_golden(benchmark, capsys, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    benchmark("golden", "make", old, "--only", "sentiment-ngrams", "--rows", 24)
    shutil.copytree(old, new)
    assert benchmark("golden", "compare", old, new).endswith("\nthe same\n")
    assert benchmark("golden", "read", old).endswith("\nthe same\n")
    answers = new / "answers" / "sentiment-ngrams.jsonl"
    answers.write_text(answers.read_text("utf-8").replace('"label":"positive"', '"label":"good"', 1), "utf-8")
    digests = new / "digests.json"
    digests.write_text(
        digests.read_text("utf-8").replace('arrays.safetensors": "', 'arrays.safetensors": "0', 1), "utf-8"
    )
    with pytest.raises(SystemExit):
        benchmark("golden", "compare", old, new)
    shown = capsys.readouterr().out
    assert "FAULT: weights: models.sentiment-ngrams.characters/arrays.safetensors was" in shown
    assert "FAULT: weights of NEW, straight and resumed: sentiment-ngrams.characters/arrays.safetensors was" in shown
    assert 'label was "positive", is "good"' in shown


def test_comparison(benchmark):
    models, recipes = benchmark("comparison", "--pairs", 2, "--rows", 60, "--fresh", 2).split("\n\n")
    assert len(models.splitlines()) == 2 + 3 * 2
    assert len(recipes.splitlines()) == 2 + 4 * 3
    assert all(len(numbers(row)) == 7 for row in models.splitlines()[2:])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="os.wait4")
def test_audit(benchmark, tmp_path):
    rows = write_reviews(400)
    write(tmp_path / "reviews.csv", ("text", "label"), rows)
    out = benchmark("audit", tmp_path / "reviews.csv", "--copies", 5, "--tokens", 0.1)
    assert "near copies across the split 5 of 5" in out
    assert "were flipped" in out
    assert "CPU s" in out


@pytest.mark.slow
@pytest.mark.long
def test_nearest(benchmark):
    assert benchmark("nearest", "--rounds", 2, "--sizes", 300).count("exact") == 2


@pytest.mark.slow
@pytest.mark.long
def test_cloze(benchmark, corpora):
    ratios = benchmark("cloze", corpora, "--items", 5).splitlines()[-1]
    assert len(numbers(ratios)) == 4


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_tutorials(benchmark, corpora, tmp_path):
    rows = [[start + step * speed for step in range(6)] for start in range(-15, 15) for speed in (-2, 1, 3)]
    (corpora / "ball.csv").write_text("".join(f"{','.join(map(str, row))}\n" for row in rows), encoding="utf-8")
    for page in ("tutorial.md", "zh/tutorial.md"):
        (tmp_path / "docs" / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / page).write_text(
            "before\n<!-- tutorials.py: begin -->\n<!-- tutorials.py: end -->\nafter\n"
        )
    told = (corpora, "--folder", tmp_path / "runs", "--only", "ball", "--output", tmp_path / "docs")
    shown = benchmark("tutorials", *told)
    assert shown.startswith("ball: ")
    assert not benchmark("tutorials", *told).startswith("ball: ")  # it is done
    page = (tmp_path / "docs" / "zh" / "tutorial.md").read_text(encoding="utf-8")
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "| 球的下一个位置" in page


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_launched(benchmark, corpora):
    small = ("--set", "encoder.hidden=4", "embedding.dim=4", "training.pretrain=0", "training.min_steps=0")
    shown = benchmark("launched", corpora / "goods_zh.txt", "--runs", 1, *small)
    assert "times as fast by 2 processes" in shown


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_loop(benchmark, corpora):
    shown = benchmark("loop", corpora / "goods_zh.txt", "--recipes", "network", "--rounds", 1, "--steps", 2)
    assert "of the bare loop" in shown


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_tutorial(benchmark, corpora):
    assert benchmark("tutorial", corpora / "goods_zh.txt", "--epochs", 2).count("2 epochs") == 2


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_large(benchmark, corpora, tmp_path):
    found = json.loads(benchmark("large", corpora / "goods_zh.txt", "--rows", 300, "--folder", tmp_path, "--child"))
    assert set(found) == {"read", "prepared", "epoch", "saved", "accuracy", "peak_mb"}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_characters(benchmark, corpora):
    shown = benchmark("characters", corpora, "--seconds", 0.1, "--length", 20)
    assert shown.count("bits a character") == 1
    assert "characters a CPU-second; the tutorials' way" in shown
    assert "writing 64 side by side" in shown


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_codes(benchmark, corpora, tmp_path):
    small = ("encoder.hidden=8", "embedding.dim=8", "head.hidden=[8]", "embedding.min_count=1", "answers.min_count=1")
    shown = benchmark(
        "codes", corpora, tmp_path, "--only", "random-64-bce", "--epochs", 1, "--items", 20, "--set", *small
    )
    assert shown.splitlines()[-1].startswith("| random | 64 | bce |")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_compositions(benchmark, corpora, tmp_path):
    few = ("--only", "char-ngrams-none", "rjieba-ngrams-none", "--folds", 2, "--folder", tmp_path)
    assert benchmark("compositions", corpora / "goods_zh.txt", *few, "--output", tmp_path / "page.md") == ""
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    for tokenizer in ("char", "rjieba"):
        assert f"| {tokenizer} | ngrams | none |" in page
    assert ", *none shown* |" in page


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
def test_diagnose(benchmark, tmp_path):
    pytest.importorskip("nlpkit_diagnose")
    balls = "".join(f"{at % 7},{at % 7 + at % 5},{at % 7 + 2 * (at % 5)}\n" for at in range(60))
    (tmp_path / "ball.csv").write_text(balls, encoding="utf-8")
    few = ("--only", "ball", "--encoders", "rnn", "--seeds", 1, "--jobs", 1, "--folder", tmp_path / "runs")
    assert benchmark("diagnose", tmp_path, *few).startswith("ball\n\n| encoder |")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_kills_of_saving_and_scoring(benchmark, corpora):
    shown = benchmark(
        "kills", corpora / "goods_zh.txt", "--only", "save", "score", "resume", "--kills", 9, "--rows", 60_000
    )
    assert "save: 3 of 3 came out the same" in shown
    assert "score: 3 of 3 came out the same" in shown
    assert "resume: 3 of 3 came out the same" in shown


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.train
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_kills_of_training(benchmark, corpora):
    shown = benchmark("kills", corpora / "goods_zh.txt", "--only", "train-sentiment", "--kills", 1, "--seed", 1)
    assert "train-sentiment: 1 of 1 came out the same" in shown
