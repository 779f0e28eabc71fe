"""What people read comes in Chinese where the locale or NLPKIT_LANG says so; what programs read does not."""

import ast
import importlib.util
import json
import re
import sys
from gettext import GNUTranslations
from pathlib import Path
from string import Formatter

import pytest

from nlpkit import language
from nlpkit.commands.translated import wrap
from nlpkit.errors import DataError, Sentence, join
from nlpkit.language import find_language, translate, width_of

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "translations" / "messages.py"
CATALOGUE = language.FOLDER / "zh" / "LC_MESSAGES" / "nlpkit.mo"
HAN = re.compile(r"[㐀-鿿]")
ENGLISH = re.compile(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}")  # three words in a row
CODE = re.compile(r"\s*(nlpkit|cat|NLPKIT_\w+=\S+) |用法：")  # an example
CHINESE = {"NLPKIT_LANG": "zh"}
SHOWS = {"say", "warn", "fail", "phrase", "Working", "UsageError", "BadParameter"}
COMMANDS = [
    *[["sentiment", verb] for verb in ("score", "evaluate", "compare", "report", "train")],
    *[["cloze", verb] for verb in ("fill", "evaluate", "compare", "train")],
    *[["generate", verb] for verb in ("text", "evaluate", "train")],
    *[["models", verb] for verb in ("list", "show", "check", "pack")],
    *[["corpus", verb] for verb in ("list", "show", "fetch", "prepare", "audit")],
    *[["plugins", verb] for verb in ("list", "check", "new")],
    *[[], ["sentiment"], ["cloze"], ["generate"], ["models"], ["corpus"], ["plugins"], ["cache"], ["cache", "list"]],
]


@pytest.fixture(scope="module")
def messages():
    """The program that keeps the catalogue."""
    pytest.importorskip("babel")
    spec = importlib.util.spec_from_file_location("messages", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["messages"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def chinese():
    """Let this process speak Chinese."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGUAGE", "")
        language.speak("zh")
        yield
        language.speak("en")


def catalogue():
    with CATALOGUE.open("rb") as file:
        return {key[0] if isinstance(key, tuple) else key: text for key, text in GNUTranslations(file)._catalog.items()}


def fields(template):
    """What a template is filled with."""
    if "%(" in template:
        return set(re.findall(r"%\(\w+\)s", template))
    return {(name, conversion) for _, name, _, conversion in Formatter().parse(template) if name is not None}


def test_all_that_is_said_is_translated_and_nothing_else_is_kept(messages):
    said, kept = messages.find_messages(), {messages.key_of(message) for message in messages.read() if message.id}
    assert len(said) > 1000
    assert messages.missing(said) == []
    assert kept - set(said) == set()


def test_what_is_read_is_what_was_written(messages):
    written = {messages.key_of(m): m.string if isinstance(m.string, str) else m.string[0] for m in messages.read()}
    read = catalogue()
    assert {key: text for key, text in written.items() if key} == {key: text for key, text in read.items() if key}


def test_a_translation_is_filled_with_the_same_values():
    wrong = {}
    for template, text in catalogue().items():
        if template and "{{" not in template:
            try:
                same = fields(template) == fields(text)
            except ValueError:  # braces that are none of a template
                same = re.findall("[{}]", template) == re.findall("[{}]", text)
            if not same:
                wrong[template] = text
    assert wrong == {}


def test_most_translations_are_chinese():
    plain = [text for key, text in catalogue().items() if key and not HAN.search(text)]
    assert len(plain) < 0.05 * len(catalogue()), plain


@pytest.mark.parametrize("path", sorted((ROOT / "nlpkit").rglob("*.py")), ids=lambda path: "/".join(path.parts[-2:]))
def test_no_sentence_is_finished_before_it_is_shown(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in SHOWS and not {"testing", "plugin_checks.py"} & set(path.parts):
                assert not isinstance(node.args[0], ast.JoinedStr | ast.BinOp), f"line {node.lineno}"


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh_CN"}, "en"),
        ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "fr:zh"}, "zh"),
        ({"LANG": "C", "LANGUAGE": "zh"}, "en"),
        ({"NLPKIT_LANG": "zh", "LC_ALL": "C"}, "zh"),
        ({"NLPKIT_LANG": "zh-Hans"}, "zh"),
        ({"NLPKIT_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"NLPKIT_LANG": "", "LANG": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_who_speaks_what(environment, spoken):
    assert find_language(environment) == spoken


@pytest.mark.usefixtures("chinese")
def test_a_sentence_in_a_sentence_is_translated_too():
    error = DataError("{path} cannot be read: {reason}", path="a{b}.csv", reason=Sentence("permission denied"))
    assert translate(error.sentence) == "不能读 a{b}.csv：没有权限"
    assert str(error) == "a{b}.csv cannot be read: permission denied"
    assert translate(join([Sentence("{rows:,} rows", rows=3), "甲"], "; ")) == "3 行；甲"
    assert translate(Sentence("{rows:,} rows", rows=3) + Sentence("no labels")) == "3 行没有标签"
    assert translate("what nobody has translated") == "what nobody has translated"
    assert translate("") == ""


def test_lines_break_where_they_are_full_and_no_comma_begins_one():
    lines = wrap("每行四个字的中文，逗号不在行首（括号也不在行尾），English words stay whole --as-options-do", 20)
    assert all(width_of(line) <= 20 for line in lines)
    assert not any(line[0] in "，）" or line[-1] == "（" for line in lines)
    assert "whole" in " ".join(lines)
    assert wrap("\b\nnlpkit  a\n  b", 4) == ["nlpkit  a", "  b"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_in_chinese(run, words):
    shown = run(*words, "--help", environment=CHINESE).stdout.decode()
    assert shown.startswith("用法：")
    assert "选项：" in shown
    lines = [line for line in shown.splitlines() if not CODE.match(line)]
    english = [line for line in lines if ENGLISH.search(line) and not HAN.search(line)]
    assert english == []
    assert max(width_of(line) for line in lines if HAN.search(line)) <= 80


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sentiment", "score", "nope.txt"], 1, "错误：不能读 nope.txt：没有这个文件或目录"),
        (["sentiment", "score", "--nope"], 2, "没有选项"),
        (["sentiment", "score", "--output"], 2, "需要一个参数"),
        (["sentiment", "score", "-f", "doc"], 2, "的值无效"),
        (["sentiment", "score", "--min-probability", "x"], 2, "不是有效的"),
        (["sentimnt"], 2, "是不是想说 'sentiment'"),
        (["cloze", "fill", "衣服质量很好"], 1, "里没有空：请用两个下划线标出"),
        (["cloze", "fill", "__", "--top", "0"], 2, "不在范围 x>=1 之内"),
        (["generate", "text", "--temperature", "101"], 2, "不在范围 0<=x<=100 之内"),
        (["generate", "text", "甲", "--file", "b.txt"], 2, "只能写一种"),
        (["models", "show", "nope"], 1, "没有模型 'nope'"),
        (["corpus", "show", "nope"], 2, "没有语料 'nope'"),
        (["plugins", "list", "nope"], 2, "没有叫 'nope' 的插件"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_is_said_in_chinese(run, words, code, said, tmp_path):
    found = run(*words, environment=CHINESE, cwd=tmp_path)
    assert (found.returncode, found.stdout) == (code, b"")
    assert said in found.stderr.decode()
    assert not ENGLISH.search(re.sub(r"(用法：|用“|；可用：).*", "", found.stderr.decode()))


def test_a_wrong_column_names_those_that_there_are(run, write, models):
    table = write("评价,日期\n好货,1\n".encode(), "t.csv")
    found = run("sentiment", "score", table, "-c", "评价分", "-m", models["sentiment"], environment=CHINESE)
    assert found.stderr.decode() == f"错误：{table} 没有列 '评价分'；是不是想说 '评价'？可用：评价, 日期\n"


def test_programs_read_the_same_in_both_languages(run, write, models):
    table = write("text,kind\n好货,甲\n,乙\n差,甲\n".encode(), "t.csv")
    for options in (["-f", "jsonl"], ["-f", "csv"], ["--by", "kind", "-f", "csv"], ["--by", "kind", "-f", "jsonl"]):
        command = ["sentiment", "score", table, "-m", models["sentiment"], *options]
        in_english, in_chinese = run(*command), run(*command, environment=CHINESE)
        assert in_english.returncode == 0
        assert in_chinese.stdout == in_english.stdout
    assert in_english.stderr.decode() == "1 of 3 rows could not be scored: 1 empty\n"
    assert in_chinese.stderr.decode() == "3 行里有 1 行无法打分：1 行是空的（empty）\n"
    figures = ["models", "list", "-f", "json"]
    assert json.loads(run(*figures, environment=CHINESE).stdout) == json.loads(run(*figures).stdout)


def test_rows_are_counted_in_chinese(run, write, models, tmp_path):
    table = write("text,kind\n好货,甲\n,乙\n差,甲\n".encode(), "t.csv")
    found = run(
        "sentiment", "score", table, "-m", models["sentiment"], "-o", "o.csv", environment=CHINESE, cwd=tmp_path
    )
    assert re.match(r"3 行：1 negative，1 positive，1 未回答；已保存到 o\.csv\n", found.stderr.decode())
    counts = run(
        "sentiment", "score", table, "-m", models["sentiment"], "--by", "kind", "-f", "table", environment=CHINESE
    )
    assert "行数" in counts.stdout.decode()


def test_tables_of_figures_have_chinese_headings_that_stand_above_their_columns(run, write, models):
    table = write("text,label\n好货,positive\n差,negative\n".encode(), "t.csv")
    found = run("sentiment", "evaluate", table, "-m", models["sentiment"], environment=CHINESE).stdout.decode()
    lines = [line for line in found.splitlines() if line.strip()]
    heading, _, figures = lines[:3]
    assert "准确率" in heading
    assert width_of(heading.rstrip()) == width_of(figures.rstrip())


def test_the_locale_decides_and_the_variable_outdoes_it(run):
    locale = {"LC_ALL": "", "LANG": "zh_CN.UTF-8", "NLPKIT_LANG": ""}
    assert "用法：" in run("models", "--help", environment=locale).stdout.decode()
    assert "Usage:" in run("models", "--help", environment=locale | {"NLPKIT_LANG": "en"}).stdout.decode()


@pytest.mark.train
@pytest.mark.slow
def test_training_is_told_in_chinese(run, corpus, tmp_path):
    command = ["sentiment", "train", corpus, "-o", "m", "--recipe", "network", "--epochs", "1"]
    plan = run(*command, "--dry-run", environment=CHINESE, cwd=tmp_path)
    assert plan.returncode == 0
    assert "根据全部 192 行" in plan.stdout.decode()
    found = run(*command, environment=CHINESE, cwd=tmp_path)
    assert found.returncode == 0
    for said in ("192 行；去掉：重复", "第   1 轮  训练损失", "已保存 m"):
        assert said in found.stderr.decode()
    assert not HAN.search((tmp_path / "m" / "history.csv").read_text("utf-8"))
