import random
import warnings

import pytest
from opencc import OpenCC

from nlpkit.text.encodings import BOMS, HEAD_BYTES, find_encoding, is_text

TEXTS = [
    "质量很好，下次还来",
    "物流慢，服务态度差，不想再买了",
    "房间干净，早餐也不错",
    "屏幕大，颜色正，打电话声音也清楚",
    "用了两天就坏了，退货",
    "还行吧 OK",
    "手机收到了，包装很严实，系统流畅",
    "味道一般，分量少，价格还贵 😡",
]
TRADITIONAL = OpenCC("s2t")  # to make one takes longer than all that it converts


def same(data: bytes, encoding: str) -> bool:
    found = find_encoding(data[:HEAD_BYTES])
    return found is not None and data.decode(found.encoding, "replace") == data.decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("lines", [1, 3, 40])
@pytest.mark.parametrize("traditional", [False, True])
def test_an_encoding_is_found(encoding, lines, traditional):
    rng = random.Random(lines)
    for _ in range(20):
        text = "\n".join(rng.choice(TEXTS) for _ in range(lines)) + "\n"
        text = TRADITIONAL.convert(text) if traditional else text
        assert same(text.encode(encoding, "ignore"), encoding), text


@pytest.mark.parametrize("encoding", ["big5", "cp950", "big5hkscs"])
@pytest.mark.parametrize("header", ["", "id,text\n"])
def test_big5_is_not_taken_for_gb18030(encoding, header):
    for text in map(OpenCC("s2twp").convert, TEXTS):
        data = (header + text).encode(encoding, "ignore")
        if not data.isascii():
            assert same(data, encoding), text


def test_characters_of_hong_kong_are_read():
    text = "佢哋嘅服務真係好差，啲嘢唔好食，咗一個鐘\n"
    assert find_encoding(text.encode("big5hkscs")).encoding == "big5hkscs"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("联通", "gb18030"),  # whose bytes are right in UTF-8, too
        ("id,text\n1,联通\n2,移动\n", "gb18030"),
        ("Müller, café\n", "utf-8"),
        ("Привет мир, как дела", "utf-8"),
        ("こんにちは、元気ですか", "utf-8"),
        ("안녕하세요", "utf-8"),
        ("👍👍👍", "utf-8"),
        ("好👍👍\n很好👍\n", "utf-16-le"),
        ("👍👍\n", "utf-16-be"),
    ],
)
def test_what_is_right_in_several_encodings_is_read_as_the_likelier(text, encoding):
    assert find_encoding(text.encode(encoding)).encoding == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "cp950"])
def test_one_zero_or_one_bad_line_changes_nothing(encoding):
    lines = [text.encode(encoding, "ignore") for text in map(TRADITIONAL.convert, TEXTS)]
    lines[3] = lines[3][:4] + b"\0" + lines[3][4:]
    lines[5] = b"\xff\xff\xfe"
    assert find_encoding(b"\n".join(lines)).encoding == encoding


def test_two_readings_that_are_close_are_both_named():
    assert find_encoding("质量很好，下次还来".encode("gb18030")).rival is None
    assert find_encoding("堃".encode("gb18030")).rival is not None
    assert find_encoding("¨,¨\n".encode("gb18030")).rival is not None  # no character of Chinese tells
    assert find_encoding("Müller, Größe, café\n".encode()).rival is None


def test_a_head_that_ends_inside_a_character_is_read():
    for shift in range(4):
        data = b"a" * shift + "质量很好，下次还来。".encode() * 5000
        assert find_encoding(data[:HEAD_BYTES]).encoding == "utf-8"


@pytest.mark.parametrize("bom", BOMS)
def test_a_byte_order_mark_decides(bom):
    assert find_encoding(bom + b"a\0\0\0").encoding == BOMS[bom]


def test_bytes_that_fit_nothing_have_no_encoding():
    assert find_encoding(b"\xff\x80\xff\n" * 20) is None


def test_what_is_no_text_in_utf16():
    assert is_text("质量很好 OK\n".encode("utf-16-le"), "utf-16-le")
    assert not is_text(bytes(range(256)) * 4, "utf-16-le")


def test_finding_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_encoding("堃".encode("gb18030"))
