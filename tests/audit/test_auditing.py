import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.audit import AuditRows, audit
from nlpkit.audit.auditing import KINDS
from nlpkit.audit.rows import Column
from nlpkit.text.corpus import Example
from nlpkit.text.several import Labels
from nlpkit.text.split import split_rows
from tests.audit.written import as_examples, write_reviews

BASE = "昨天收到的台灯底座很稳，灯光也不刺眼，孩子写作业正好"


def examine(rows):
    return audit(AuditRows.of(as_examples(rows)))


def of(found, kind):
    return [finding for finding in found.findings if finding.suspicion == kind]


def test_all_planted_faults_are_found_together():
    rng = random.Random(0)
    rows = write_reviews(600)
    flipped = rng.sample(range(600), 18)
    for row in flipped:
        rows[row] = (rows[row][0], {"good": "bad", "bad": "good"}[rows[row][1]])
    for row in rng.sample([at for at, (_, label) in enumerate(rows) if label == "good"], 60):
        rows[row] = (rows[row][0].replace("，", "，蓝桥七号", 1), "good")
    copied = {}
    for number in range(5):
        base = f"{BASE}{'一二三四五'[number]}{rows[number][0]}"
        ends = (base + end for end in ("了", "啊", "呢", "吧", "呀", "哦", "哈", "嘛", "啦"))
        copy = next(text for text in ends if place(text) != place(base))
        copied[len(rows), len(rows) + 1] = (base, copy)
        rows += [(base, rows[number][1]), (copy, rows[number][1])]
    found = examine(rows)
    assert {finding.row for finding in of(found, "wrong label")[:10]} <= set(flipped)
    across = {frozenset((finding.row, finding.copy_of)) for finding in of(found, "near copy across the split")}
    assert {frozenset(pair) for pair in copied} <= across
    assert any("蓝桥七号" in shortcut.string for shortcut in found.shortcuts[:5])  # of so few words each tells much
    assert found.suspicions == {kind: len(of(found, kind)) for kind in KINDS}


def place(text):
    split = split_rows([Example(text, "")])
    return next(name for name in ("train", "validation", "test") if getattr(split, name))


def test_the_row_that_is_told_is_the_one_held_out():
    base = next(text for text, _ in write_reviews(50) if place(text) == "train")
    copy = next(text for text in (f"{base}{number}" for number in range(99)) if place(text) == "test")
    for rows in ([(copy, "good"), (base, "good")], [(base, "good"), (copy, "good")]):
        (finding,) = of(examine(rows), "near copy across the split")
        assert rows[finding.row][0] == copy
        assert rows[finding.copy_of][0] == base
        assert finding.detail == "train and test"


def test_copies_that_contradict_each_other_name_the_label_of_most():
    rows = [*write_reviews(40), ("还行吧", "good"), ("还行吧！", "bad"), ("还行吧。", "good")]
    conflicts = of(examine(rows), "conflicting label")
    assert [(f.row, f.label, f.copy_of) for f in conflicts] == [(40, None, 41), (41, "good", 40), (42, None, 41)]
    tied = of(examine(rows[:-1]), "conflicting label")
    assert [finding.label for finding in tied] == [None, None]


def test_near_copies_with_other_labels():
    found = examine([*write_reviews(40), (BASE + "哦", "good"), (BASE + "哦哦", "bad")])
    finding = of(found, "near copy, other label")[0]
    assert {finding.row, finding.copy_of} == {40, 41}


def test_labels_that_look_alike_and_those_with_few_rows():
    rows = [
        *write_reviews(80),
        *((f"{text}第一", "Good") for text, _ in write_reviews(6, 9)),
        ("不知道说什么", "other"),
    ]
    found = examine(rows)
    assert {finding.row: finding.label for finding in of(found, "look-alike label")} == dict.fromkeys(
        range(80, 86), "good"
    )
    assert found.tiny == {"Good": 6, "other": 1}
    assert {finding.row for finding in of(found, "tiny class")} == set(range(80, 87))


def test_columns_that_leak_are_told_and_those_of_the_text_itself():
    rows = write_reviews(200)
    table = AuditRows.of(as_examples(rows))
    table.columns.append(Column.of("stars", ["5" if label == "good" else "1" for _, label in rows]))
    table.columns.append(Column.of("id", [str(number * 7919 % 1009) for number in range(200)]))
    found = audit(table)
    assert [leak.name for leak in found.leaking()] == ["stars"]
    assert "id" not in [leak.name for leak in found.columns if leak.entropy > 0.1]


@pytest.mark.parametrize("names", [("only",), ("",)])
def test_what_needs_labels_is_skipped_and_why_is_said(names):
    found = examine([(text, names[0]) for text, _ in write_reviews(60)])
    assert set(found.skipped) == {"wrong labels", "shortcuts", "columns"}
    assert not found.wrong
    assert set(found.skipped.values()) == {"all rows have the label 'only'" if names[0] else "no labels"}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_tiny_corpora(count):
    found = examine(write_reviews(count))
    assert "wrong labels" in found.skipped
    assert sum(found.counts.values()) == count


@given(
    st.lists(
        st.tuples(st.text(st.characters(), max_size=15), st.sampled_from(["a", "b", "A", ""])), min_size=1, max_size=12
    )
)
def test_wild_rows_are_all_accounted_for(rows):
    found = examine(rows)
    assert sum(found.counts.values()) + found.to_json()["unlabelled"] == len(rows)
    assert all(0 <= finding.row < len(rows) for finding in found.findings)
    json.dumps(found.to_json())


def test_it_can_be_written_as_json_and_the_same_seed_finds_the_same():
    rows = write_reviews(120)
    first, second = (json.dumps(examine(rows).to_json()) for _ in range(2))
    assert first == second
    assert json.loads(first)["wrong_labels"]["rows"] == 120


def test_progress_is_told():
    told = []
    audit(
        AuditRows.of(as_examples(write_reviews(60))),
        progress=lambda what, done, total: told.append((what, done, total)),
    )
    assert [what for what, done, _ in told if not done] == [
        "looking for copies",
        "judging labels",
        "looking for shortcuts",
        "reading the texts",
    ]
    assert ("judging labels", 3, 5) in told
    assert np.all([total is None or done <= total for _, done, total in told])


TOPICS = {
    "price": ("价格公道", "太贵了", "打折买的", "比别家便宜"),
    "service": ("客服热情", "老板不理人", "店员耐心", "售后拖沓"),
}


def write_topics(count, seed=0):
    """Texts that speak of price, of service, of both or of neither."""
    rng = random.Random(seed)
    rows = []
    for (text, _), number in zip(write_reviews(count, seed), range(count), strict=True):
        names = [name for name, bit in (("price", 1), ("service", 2)) if number & bit]
        said = "".join(f"，{rng.choice(TOPICS[name])}" for name in names)
        rows.append((text.rstrip("。") + said, Labels.of(names)))
    return rows


def test_of_several_labels_each_is_judged_by_itself():
    rows = write_topics(800)
    rng = random.Random(1)
    lacking = rng.sample([at for at, (_, labels) in enumerate(rows) if "price" in labels.names], 10)
    wrong = rng.sample([at for at, (_, labels) in enumerate(rows) if "service" not in labels.names], 10)
    for row in (*lacking, *wrong):
        name = "price" if row in lacking else "service"
        rows[row] = (rows[row][0], Labels.of({*rows[row][1].names} ^ {name}))
    found = examine(rows)
    assert set(found.wrong) == {"price", "service"}
    surest = of(found, "wrong label")[:16]
    told = {(finding.row, finding.detail) for finding in surest}
    planted = {(row, "lacks price") for row in lacking} | {(row, "should not have service") for row in wrong}
    assert len(told & planted) >= 14
    for finding in surest:
        own, better = found.rows.label_of(finding.row), finding.label
        assert {*own.names} ^ {*better.names} == {finding.detail.split()[-1]}
    assert found.counts == {name: sum(name in labels.names for _, labels in rows) for name in found.counts}
    assert found.to_json()["several_labels"] is True


def test_of_several_labels_what_gives_one_away_is_told_with_it():
    rng = random.Random(2)
    rows = [
        (f"蓝桥七号{text}" if "service" in labels.names and rng.random() < 0.3 else text, labels)
        for text, labels in write_topics(800)
    ]
    read = AuditRows.of(as_examples(rows))
    asked = ["是" if "price" in labels.names else "否" for _, labels in rows]
    found = audit(replace(read, columns=[Column.of("asked", asked)]))
    assert any("蓝桥七号" in s.string and s.label == "service" for s in found.shortcuts), found.shortcuts
    assert ("asked", "price") in {(leak.name, leak.label) for leak in found.leaking()}


def test_several_labels_that_contradict_look_alike_or_are_few():
    rows = [*write_topics(80), ("只此一句", Labels.of(["Price"])), ("只此一句！", Labels.of(["service"]))]
    found = examine(rows)
    assert {finding.row for finding in of(found, "conflicting label")} == {80, 81}
    (alike,) = of(found, "look-alike label")
    assert (alike.row, alike.label.names) == (80, ("price",))
    assert (80, "Price") in {(finding.row, finding.detail) for finding in of(found, "tiny class")}


def test_labels_one_a_text_beside_several_are_several():
    read = AuditRows.of([*as_examples(write_topics(8)), *as_examples([("好", "price"), ("坏", "")])])
    assert read.several
    assert read.names == ["price", "service"]
    assert read.label_of(8).names == ("price",)
    assert read.label_of(9) is None
    assert read.having("price").tolist() == [False, True] * 4 + [True, False]
