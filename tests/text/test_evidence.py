import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.text.evidence import Evidence, EvidenceCount

normalised = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n"), max_size=8)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("好", None),
        ("abc好123", None),
        ("", "empty"),
        (" \t　", "empty"),
        ("\u200b\u3164 \ufeff", "empty"),
        ("12345", "no evidence: no letters"),
        ("👍👍", "no evidence: no letters"),
        ("。。。！", "no evidence: no letters"),
        ("坏", "no evidence: no known character or word"),
        ("𪚥", "no evidence: no known character or word"),
        ("good", "no evidence: no known character or word"),
    ],
)
def test_reasons(text, reason):
    assert Evidence("好用", []).reasons([text]) == [reason]


def test_tokens_of_a_vocabulary_are_evidence_too():
    evidence = Evidence("好", ["good"]).with_tokens(["坏掉", "bad", "。"])
    assert evidence.characters == frozenset("好坏掉")
    assert evidence.words == frozenset(["good"])


def test_a_known_word_is_evidence_only_as_a_whole():
    evidence = Evidence("", ["good"])
    assert evidence.reasons(["very good!", "goods", "good好"])[0] is None
    assert evidence.reasons(["goods"]) == ["no evidence: no known character or word"]


@given(st.lists(normalised | st.sampled_from(["好", "a好", "坏", ""]), max_size=8))
def test_neighbours_never_change_a_reason(texts):
    evidence = Evidence("好的", ["good"])
    assert evidence.reasons(texts) == [evidence.reasons([text])[0] for text in texts]


@given(st.lists(normalised, max_size=8))
def test_a_text_with_a_character_of_training_always_has_evidence(texts):
    evidence = Evidence.fit(texts)
    for text, reason in zip(texts, evidence.reasons(texts), strict=True):
        if evidence.characters & set(text):
            assert reason is None


def test_a_chinese_corpus_lends_no_english():
    texts = ["质量很好 good"] * 9 + ["good good"]
    assert Evidence.fit(texts).words == frozenset()
    assert Evidence.fit(texts).characters == frozenset("质量很好")


def test_an_english_corpus_lends_its_frequent_words():
    found = Evidence.fit(["good stuff", "good thing", "good value", "bad"])
    assert found.words == frozenset({"good"})


def test_json_makes_an_equal_one():
    made = Evidence("好坏𠀀", ["good"])
    again = Evidence(**made.to_json())
    assert (again.characters, again.words) == (made.characters, made.words)
    assert again.reasons(["𠀀", "𠀁"]) == [None, "no evidence: no known character or word"]


mixed = st.lists(st.sampled_from(["好", "good stuff", "good 坏", "ok", "", "good", "差 ok ok", "123"]), max_size=12)


@given(st.lists(mixed, max_size=5))
def test_texts_counted_in_blocks_are_the_evidence_of_all(blocks):
    count = EvidenceCount()
    for block in blocks:
        count.add(block)
    whole = Evidence.fit(text for block in blocks for text in block)
    assert count.evidence().to_json() == whole.to_json()


def test_a_count_may_go_on_after_it_was_asked():
    count = EvidenceCount()
    count.add(["good"] * 2)
    assert count.evidence().words == frozenset()
    count.add(["good", "好"])
    assert count.evidence().words == frozenset({"good"})
    assert count.evidence().characters == frozenset("好")
