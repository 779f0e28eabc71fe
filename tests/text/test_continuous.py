import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.text.continuous import LONG_LINE, LONGEST_PIECE, SHORTEST_PIECE, Continuous, cut_at_sentences
from nlpkit.text.corpus import Example

BOOK = "".join(f"第{i}日，他走了{i}里路。她说：“好。”" for i in range(400))


@given(st.text('他走。！？…”" .\n', max_size=3000) | st.text(max_size=500).map(lambda text: text * 7))
def test_pieces_make_up_the_text(text):
    pieces = cut_at_sentences(text)
    assert "".join(pieces) == text
    assert all(len(piece) >= SHORTEST_PIECE for piece in pieces[:-1])
    assert all(len(piece) <= LONGEST_PIECE + SHORTEST_PIECE for piece in pieces if "。" not in piece)


def test_pieces_end_where_sentences_do():
    pieces = cut_at_sentences(BOOK)
    assert len(pieces) > 20
    assert all(piece.endswith(("。", "”")) for piece in pieces)
    assert not any(piece.startswith("”") for piece in pieces)
    assert max(map(len, pieces)) < SHORTEST_PIECE + 40
    assert [len(piece) for piece in cut_at_sentences("好" * 2500)] == [LONGEST_PIECE, LONGEST_PIECE, 500]


def test_all_texts_in_order_are_lines():
    texts = [Example("一\r\n\n二", "", "a"), Example("", "", "a"), Example("二", "", "b"), Example(BOOK, "", "b")]
    found = Continuous(texts, all_texts=True)
    read = [(e.text, e.corpus) for e in found]
    assert read[:5] == [("一", "a"), ("", "a"), ("二", "a"), ("", "a"), ("二", "b")]
    assert "".join(text for text, _ in read[5:]) == BOOK
    assert found.corpora == {"a", "b"}
    assert found.cut == {"b": len(read) - 5}


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        ([Example(BOOK, "", "book")], True),
        ([Example(BOOK, "", "book"), Example("好", "", "other")], True),
        ([Example("好", "", "other"), Example(BOOK, "", "book")], True),
        ([Example(BOOK, "", "book"), Example("好", "", "book")], False),  # a long review among others
        ([Example(BOOK[:LONG_LINE], "", "book")], False),
    ],
)
def test_a_corpus_that_is_one_long_text_is_cut(texts, whole):
    found = Continuous(texts, all_texts=False)
    read = list(found)
    assert found.corpora == ({"book"} if whole else set())
    assert (len(read) > len(texts)) == whole
    assert "".join(e.text for e in read) == "".join(e.text for e in texts)
