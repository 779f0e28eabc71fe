"""The grammar of phrases: what its rows say, and that they keep apart from what measures."""

import csv
import random
import re
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from nlpkit.text.normalisation import Normaliser
from nlpkit.text.split import letters

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "corpora" / "phrases"
sys.path.append(str(FOLDER))

import phrases  # noqa: E402
from grammar import DeadEndError, Draw, Grammar  # noqa: E402
from notation import GrammarError, parse, slots  # noqa: E402
from words import held_out, read_dictionary  # noqa: E402

ONE_DOMAIN = """
= 风筝
things: 只:风筝
who: 老板
use: 放
get: 买
again: 回购
after: 放了一天
lasting: 放了两年
soon: 放了三次
others: 旧风筝
facts: 线长三十米
asks: 线有多长
wants: 帮我换成红的
orders: 退货
bought: 收到货

骨架
  is 结实 / 单薄
  does 回正 / 散·架
  has 弹性 / 裂缝
  says 顶风也稳 / 一吹就散
线轴
  is 轻巧 / 笨重
  does 自动收线 / 卡·线
  has 刹车 / 毛刺
  says 一摇就收 / 收一次缠一次
"""
DERIVATIONS = {
    "骨架不结实": "negative",
    "骨架不单薄": "positive",
    "骨架一点都不单薄": "positive",
    "骨架一点都不结实": "negative",
    "骨架不太单薄": "positive",
    "骨架不怎么结实": "negative",
    "骨架不够结实": "negative",
    "没有裂缝": "positive",
    "没有弹性": "negative",
    "骨架从来没散过架": "positive",
    "放了两年没散过架": "positive",
    "放了三次就散架了": "negative",
    "骨架老是散架": "negative",
    "骨架没有传说中那么单薄": "positive",
    "骨架没有传说中那么结实": "negative",
    "骨架比预期还结实": "positive",
    "骨架比预期还单薄": "negative",
    "骨架再结实不过了": "positive",
    "骨架再单薄不过了": "negative",
    "骨架不能说不结实": "positive",
    "没有哪次不散架的": "negative",
    "骨架要多单薄有多单薄": "negative",
    "骨架结实个鬼": "negative",
    "不会不回购": "positive",
    "没有理由不买": "positive",
    "没有理由买": "negative",
    "谁说骨架单薄的": "positive",
    "谁说骨架结实的": "negative",
    "骨架没有旧风筝那么结实": "negative",
    "骨架没有旧风筝那么单薄": "positive",
    "还不如旧风筝": "negative",
    "不比旧风筝差": "positive",
    "别看骨架单薄，线轴可真轻巧": "positive",
    "别看骨架结实，线轴可真笨重": "negative",
    "除了结实没有任何优点": "negative",
    "除了单薄没有任何缺点": "positive",
    "骨架没以前那么结实了": "negative",
    "要不是没得选，绝对不会买": "negative",
    "不后悔买": "positive",
    "骨架结实吗": "neutral",
    "骨架会散架吗": "neutral",
    "有没有裂缝": "neutral",
    "散架了怎么办": "neutral",
    "退货流程是什么": "neutral",
    "骨架结实，线轴笨重": "neutral",
    "骨架既不结实也不单薄": "neutral",
    "我没放过这只风筝": "neutral",
    "线长三十米": "neutral",
}


@pytest.fixture(scope="module")
def one_domain(tmp_path_factory):
    """Return the real templates and lists, over a domain that is small enough to write out."""
    folder = tmp_path_factory.mktemp("grammar")
    shutil.copytree(FOLDER / "templates", folder / "templates")
    shutil.copy(FOLDER / "words.txt", folder)
    (folder / "domains").mkdir()
    (folder / "domains" / "kites.txt").write_text(ONE_DOMAIN, encoding="utf-8")
    return Grammar(folder)


def cores(grammar, times, pool="all"):
    """Yield what each template alone can say, with its label: each many times over."""
    chance = random.Random(3)
    for sign, label in phrases.LABELS.items():
        kinds, _ = grammar.kinds(sign, pool)
        for _, templates in kinds:
            for template in templates:
                for _ in range(times):
                    side = chance.choice("+-") if sign == "0" else sign
                    draw = Draw(grammar, chance, grammar.domains[0], pool=pool, dictionary={})
                    try:
                        yield draw._expand(template, side), label
                    except DeadEndError:
                        continue


@pytest.mark.slow
@pytest.mark.long
def test_what_words_add_up_to(one_domain):
    found = defaultdict(set)
    for text, label in cores(one_domain, 500):
        found[letters(text)].add(label)
    said = {text: found[letters(text)] for text in DERIVATIONS}
    assert said == {text: {label} for text, label in DERIVATIONS.items()}


def test_no_text_has_two_labels(one_domain):
    found = defaultdict(set)
    for text, label in cores(one_domain, 40):
        found[letters(text)].add(label)
    assert len(found) > 10_000
    assert [text for text, labels in found.items() if len(labels) > 1] == []


def test_as_many_rows_of_each_label_and_none_twice():
    rows = phrases.rows(901, seed=5)
    assert sorted(Counter(row.label for row in rows).values()) == [300, 300, 301]
    assert len({letters(row.text) for row in rows}) == len(rows)


def test_rows_follow_from_the_seed():
    assert phrases.rows(600, seed=5) == phrases.rows(600, seed=5)
    assert phrases.rows(600, seed=5) != phrases.rows(600, seed=6)


def test_kinds_are_many_and_every_one_has_templates_to_train_on():
    rows = phrases.rows(1500, part="train")
    kinds = {name for name, section in phrases.load().sections.items() if section.kind}
    assert kinds == {row.kind for row in rows}
    assert len({row.template for row in rows}) > 300


def test_training_has_no_template_of_validation():
    assert not any(held_out(row.template) for row in phrases.rows(600, part="train"))
    validation = phrases.rows(600, part="validation")
    assert {(row.held, held_out(row.template)) for row in validation} == {
        ("template", True),
        ("words", False),
        ("both", True),
    }


def test_training_has_no_word_of_validation(one_domain):
    words = [word for aspect in one_domain.domains[0].aspects for each in aspect.words.values() for word in each.all]
    held = {word.replace("·", "") for word in words if held_out(word)}
    assert held
    trained = " ".join(text for text, _ in cores(one_domain, 5, pool="train"))
    assert [word for word in held if word in trained] == []
    assert any(word in text for text, _ in cores(one_domain, 5, pool="words") for word in held)


def measured():
    """Read what measures by other means than the grammar does: cells, lines and what is quoted."""
    texts = set()
    for path in (ROOT / "corpora" / "samples").iterdir():
        content = path.read_text(encoding="utf-8")
        texts.update(content.splitlines())
        if path.suffix == ".csv":
            texts.update(cell for line in csv.reader(content.splitlines()) for cell in line)
    for path in ROOT.glob("README*.md"):
        content = path.read_text(encoding="utf-8")
        texts.update(content.splitlines())
        texts.update(re.findall(r"[\"'`“]([^\"'`”\n]+)[\"'`”]", content))
        texts.update(cell.strip() for line in content.splitlines() for cell in line.split("|"))
    return {letters(text) for text in Normaliser().batch(sorted(texts))} - {""}


@pytest.mark.parametrize("count", [2000, pytest.param(50_000, marks=(pytest.mark.slow, pytest.mark.long))])
def test_no_row_is_a_text_that_measures(count):
    rows = Normaliser().batch([row.text for row in phrases.rows(count, seed=0)])
    assert measured().isdisjoint(map(letters, rows))


def test_a_text_that_is_kept_apart_is_drawn_no_more(monkeypatch):
    before = [row.text for row in phrases.rows(300, kind="short")]
    apart = frozenset(letters(text) for text in Normaliser().batch(before[:100]))
    monkeypatch.setattr(phrases, "texts_apart", lambda: apart)
    after = Normaliser().batch([row.text for row in phrases.rows(300, kind="short")])
    assert apart.isdisjoint(map(letters, after))


@pytest.mark.parametrize("text", ["质量过硬", "质量过硬。", "包装严实，质量过硬！"])
def test_a_clause_may_not_be_such_a_text_either(text):
    assert phrases._stands_apart(text, letters(text), frozenset({"质量过硬"}))
    assert phrases._stands_apart(text, letters(text), frozenset({phrases._digest("质量过硬")}))
    assert not phrases._stands_apart(text, letters(text), frozenset({"质量"}))


def test_open_rows_have_the_dictionarys_words_and_no_label():
    dictionary = read_dictionary()
    assert all(len(words.all) > 2000 for words in dictionary.values())
    rows = phrases.rows(2000, part="train", dictionary=dictionary)
    assert {row.label for row in rows} == {""}
    text = "\n".join(row.text for row in rows)
    assert sum(word in text for word in dictionary["is"].train) > 500


def test_the_command_writes_a_table(capsys):
    phrases.main(["--rows", "30", "--kind", "mild"])
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 30
    assert {row["kind"] for row in rows} == {"mild"}
    assert {row["label"] for row in rows} == {"negative", "positive"}
    assert "15 negative, 15 positive" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "milde"], "there is no kind 'milde'; there is: "),
        (["--kind", "advice-flavoured", "--rows", "0"], ""),
        (["--kind", "mood", "--rows", "9000"], "the grammar has no more than"),
    ],
)
def test_what_cannot_be_drawn_is_told(arguments, said, capsys):
    if not said:
        phrases.main(arguments)
        assert capsys.readouterr().out.startswith("label,text")
        return
    with pytest.raises(SystemExit, match=said):
        phrases.main(arguments)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{aspect}不(太|很{is}", "lacks '\\)' at character 18"),
        ("{aspect}不太)很", "bracket or a bar too many"),
        ("{Aspect}好", "has the slot 'Aspect'"),
    ],
)
def test_a_template_that_cannot_be_read_is_told(template, said):
    with pytest.raises(GrammarError, match=said):
        parse(template)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("templates/x.txt", "== odd\n{is}\n", "x.txt, line 2: a template of a kind begins with a sign"),
        (
            "templates/x.txt",
            "== odd flagged\n",
            "x.txt, line 1: the section 'odd' has the flag 'flagged'; there is: alone",
        ),
        (
            "templates/x.txt",
            "== odd\n+ {iss}\n",
            "has the slot 'iss', which no list and no section fills; did you mean is",
        ),
        ("domains/x.txt", "= 新\nthing: 件:新\n", "x.txt, line 2: cannot be read: a domain has things, with, use"),
        ("domains/x.txt", "= 新\n线\n  was 好 / 坏\n", "x.txt, line 3: cannot be read: an aspect has is, does"),
        ("words.txt", "very 很\n", "words.txt, line 1: a list is a name, a colon and words"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(file, text, said, tmp_path):
    for name in ("templates", "domains"):
        shutil.copytree(FOLDER / name, tmp_path / name)
    shutil.copy(FOLDER / "words.txt", tmp_path)
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(GrammarError, match=said):
        Grammar(tmp_path)


def test_slots_of_choices_count():
    assert [slot.name for slot in slots(parse("{aspect}(不|没[有{has}]){is}"))] == ["aspect", "has", "is"]
