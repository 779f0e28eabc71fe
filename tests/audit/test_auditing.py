import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.audit import AuditRows, audit
from nlpkit.audit.auditing import KINDS
from nlpkit.audit.rows import Column
from nlpkit.text.corpus import Example
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
    assert found.wrong is None
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
