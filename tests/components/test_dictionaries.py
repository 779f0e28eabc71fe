import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.components.dictionaries import parse_dictionary, parse_older_dictionary, read_dictionary
from nlpkit.errors import DataError


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("好评 3 n\n", [("好评", 3, "n")]),
        ("\ufeff好评 3\r\n差评\r\r\n中评", [("好评", 3, None), ("差评", None, None), ("中评", None, None)]),
        ("New York 7 nr", [("New York", 7, "nr")]),
        ("New York", [("New York", None, None)]),
        ("好评 n", [("好评", None, "n")]),
        ("好评 100 NZ", [("好评", 100, "NZ")]),
        ("\n  \n", []),
        ("007", [("007", None, None)]),
        ("小米 13 Ultra", [("小米 13 Ultra", None, None)]),
        ("小米 13 Ultra 8", [("小米 13 Ultra", 8, None)]),
        ("小米 13", [("小米", 13, None)]),
        ("小米 13\t8\tnz", [("小米 13", 8, "nz")]),
        ("小米 13,8", [("小米 13", 8, None)]),
        ("红米 K70 Pro", [("红米 K70 Pro", None, None)]),
        ("iPhone 5 S", [("iPhone 5 S", None, None)]),
        ("绝绝子,100", [("绝绝子", 100, None)]),
        ("绝绝子，100，n", [("绝绝子", 100, "n")]),
        ("绝绝子 , 100 ,", [("绝绝子", 100, None)]),
        ("绝绝子\u3000１００", [("绝绝子", 100, None)]),
        ("好，很好", [("好，很好", None, None)]),
        ("Web 2.0", [("Web 2.0", None, None)]),
        ("好\u200b评\u200b 3", [("好评", 3, None)]),
        ("好评 3\n好评 3", [("好评", 3, None)]),
        ("好评 0", [("好评", 0, None)]),
        ("好用;100;n", [("好用", 100, "n")]),
        ("好用；100", [("好用", 100, None)]),
        ("好玩|5", [("好玩", 5, None)]),
        ('"好用",100', [("好用", 100, None)]),
        ('"好用","100","n"', [("好用", 100, "n")]),
        ('"好用"\t100', [("好用", 100, None)]),
        ('"好,用",100', [("好,用", 100, None)]),
        ('"好用"', [("好用", None, None)]),
        ('"好 ""用"""', [('好 "用"', None, None)]),
        ("# 5", [("#", 5, None)]),
        ("#好用#", [("#好用#", None, None)]),
        ("C++ 5", [("C++", 5, None)]),
        ("ok", [("ok", None, None)]),
    ],
)
def test_entries(text, entries):
    found = parse_dictionary(text, "words.txt")
    assert found.entries == entries
    assert found.remarks == []


@pytest.mark.parametrize(
    ("text", "entries", "remark"),
    [
        (
            "好\n\u200b\n,5\n",
            [("好", None, None)],
            "words.txt: lines 2 (no word) and 3 (no word) cannot be used",
        ),
        ("坏\ufffd 3", [], "words.txt: line 1 (bytes that fit no character) cannot be used"),
        (
            "".join(f",{n}\n" for n in range(1001)),
            [],
            "words.txt: lines 1 (no word), 2 (no word), 3 (no word) and 998 more cannot be used",
        ),
        (
            "红米 13 pro\nplan b\n",
            [("红米", 13, "pro"), ("plan", None, "b")],
            "words.txt: lines 1 (the word '红米' and the tag 'pro') and 2 (the word 'plan' and the tag 'b') may be "
            "meant otherwise: if all of a line is the word, put a tab and a frequency behind it",
        ),
        (
            "好玩,3.5,n\n好玩\t3.5\t5\n",
            [("好玩,3.5", None, "n"), ("好玩\t3.5", 5, None)],
            "words.txt: lines 1 (the word '好玩,3.5' and the tag 'n') and 2 (the word '好玩\\t3.5' and the frequency 5)"
            " may be meant otherwise: if all of a line is the word, put a tab and a frequency behind it",
        ),
        (
            "word\tfreq\ttag\n好用\t5\n# comment\n// 好的 5\n",
            [("好用", 5, None)],
            "words.txt: lines 1 (a header), 3 (a comment) and 4 (a comment) cannot be used",
        ),
        ("词语,词频\n好用,5\n", [("好用", 5, None)], "words.txt: line 1 (a header) cannot be used"),
        (
            "好评 3\n好评 5 n\n",
            [("好评", 5, "n")],
            "words.txt: line 2 ('好评') repeats a word with another frequency, which counts",
        ),
        (
            "好评 3\n差评 1\n好评 5\n差评 2\n",
            [("好评", 5, None), ("差评", 2, None)],
            "words.txt: lines 3 ('好评') and 4 ('差评') repeat a word with another frequency, which counts",
        ),
    ],
)
def test_what_cannot_be_used_or_may_be_meant_otherwise_is_told_by_its_line(text, entries, remark):
    found = parse_dictionary(text, "words.txt")
    assert found.entries == entries
    assert found.remarks == [remark]


@pytest.mark.parametrize(
    "line",
    [
        "好用 1e5",
        "好玩 3.5",
        "好玩\t3.5",
        "好吃 adj",
        "好吃,ADJ",
        "好吃 noun",
        "好玩 N",
        "好玩|n",
        "好玩|1.5",
        "好玩\t很好",
        "好用 5 n 多余",
        "好用,5,n,多余",
        "好用/a",
        "好用:100",
        "好用：100",
    ],
)
def test_a_line_taken_for_a_word_that_looks_like_more_is_told(line):
    (remark,) = parse_dictionary(f"很好\n{line}\n", "words.txt").remarks
    assert remark.startswith(
        f"words.txt: line 2 ({line!r}) may hold more than a word, taken for one as it stands: part"
    )
    if "\t" not in line:
        assert parse_dictionary(f"{line}\t5\tn", "words.txt").remarks == []  # who parts it by tabs means all of it


def test_what_is_told_can_be_mended_as_is_said():
    assert parse_dictionary("红米 13 pro\t1\nplan b\t1", "words.txt").entries == [
        ("红米 13 pro", 1, None),
        ("plan b", 1, None),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("好评 99999999999999999999", "line 2: the frequency is too large: 99999999999999999999; it is a whole number"),
        ("好评," + "9" * 5000, "line 2: the frequency is too large: 99999999999999999999; it is a whole number"),
        ("好评 1000000001 n", "line 2: the frequency is too large"),
        ("好评 -1", "line 2: the frequency is negative: -1; it is a whole number from 0 to 1,000,000,000"),
    ],
)
def test_a_frequency_that_is_none_is_told_by_its_line(line, fault):
    with pytest.raises(DataError, match=f"words.txt, {fault}"):
        parse_dictionary(f"很好\n{line}\n", "words.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_file_of_any_encoding_is_read(tmp_path, encoding):
    path = tmp_path / "words.txt"
    path.write_bytes("云端小铺 100 nz\r\n绝绝子\r\n".encode(encoding))
    found = read_dictionary(str(path))
    assert found.entries == [("云端小铺", 100, "nz"), ("绝绝子", None, None)]
    assert parse_dictionary(found.text, "again").entries == found.entries


def test_a_file_without_words_or_with_broken_bytes_is_read(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes(b"")
    assert read_dictionary(str(path)).entries == []
    path.write_bytes("很好用的\n".encode() * 9 + "坏".encode()[:2] + b" 5\n")
    assert read_dictionary(str(path)).remarks == [f"{path}: line 10 (bytes that fit no character) cannot be used"]


def test_a_doubtful_encoding_is_told_by_its_usual_name(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("推薦".encode("big5"))
    assert read_dictionary(str(path)).remarks == [
        f"{path} is read as Big5, and may be GB18030: if so, save it in UTF-8"
    ]


@given(st.text(st.sampled_from("好评a1 \t,，-n.\u200b\r\n"), max_size=30) | st.text())
def test_any_dictionary_is_entries_or_one_sentence(text):
    try:
        found = parse_dictionary(text, "words.txt")
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome will do
    else:
        assert all(word.strip() == word != "" for word, _, _ in found.entries)
        assert all("\n" not in remark for remark in found.remarks)


@given(st.binary(max_size=60))
def test_an_older_dictionary_is_entries_or_one_sentence(data):
    try:
        found = parse_older_dictionary(data)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome will do
    else:
        assert all(word.strip() == word != "" for word, _, _ in found)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("小米 13 Ultra", ("小米", 13, "Ultra")),
        ("Edu Trust认证 2000", ("Edu Trust认证", 2000, None)),
        ("绝绝子,100", ("绝绝子,100", None, None)),
    ],
)
def test_an_older_dictionary_is_read_as_it_was(line, entry):
    assert parse_older_dictionary(line.encode()) == [entry]
