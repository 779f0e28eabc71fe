import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpkit.errors import DataError, SettingError
from nlpkit.text.decoding import BLOCK, HEAD_BYTES, UNDECODABLE, WINDOWS, Decoded


class Pieces(io.RawIOBase):
    """A pipe whose writer pauses: each read gives the next piece, and counts it."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.given = pieces, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self.given == len(self.pieces):
            return 0
        piece = self.pieces[self.given]
        self.given += 1
        buffer[: len(piece)] = piece
        return len(piece)


def decoded(*pieces: bytes, encoding: str | None = None) -> Decoded:
    return Decoded("x", Pieces(*pieces), encoding)


def lines_of(*pieces: bytes, encoding: str | None = None) -> list[str]:
    return "".join(decoded(*pieces, encoding=encoding).lines()).split("\n")[:-1]


def blocks_of(data: bytes) -> list[bytes]:
    return [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_what_excel_needs_a_mark_for_is_told(encoding):
    found = decoded("质量很好，下次还来\n".encode(encoding))
    assert found.encoding == encoding
    assert (found.encoding in WINDOWS) == (encoding != "utf-8")


def test_bytes_of_no_encoding_are_refused():
    with pytest.raises(DataError, match=r"x is in none of the encodings.*--encoding"):
        lines_of(b"\xff\x80\xff\n" * 20)
    with pytest.raises(DataError, match=r"x is in none of the encodings.*--encoding"):
        lines_of(b"plain\n" * HEAD_BYTES, b"\xff\x80\xff\n" * 20)


def test_an_encoding_that_was_said_is_used():
    assert lines_of("質量很好\n".encode("big5"), encoding="big5") == ["質量很好"]
    assert lines_of("质量很好\n".encode("utf-16"), encoding="utf-16") == ["质量很好"]


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "utf_8"])
def test_utf8_that_was_said_drops_the_mark(name):
    assert lines_of("text,好\n".encode("utf-8-sig"), encoding=name) == ["text,好"]


@pytest.mark.parametrize(
    "encoding",
    [
        *("klingon", "", "a\0b", "../x", "base64", "hex", "rot13", "zlib", "bz2", "quopri", "uu"),
        *("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"),
    ],
)
def test_an_encoding_that_is_none_of_text_is_refused(encoding):
    with pytest.raises(SettingError, match=r"there is no encoding .* for text; try utf-8, gb18030, big5 or utf-16"):
        lines_of(b"abc\n", encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_pipe_is_decided_at_its_first_bytes_that_are_not_ascii(encoding):
    plain = b"id,text\n" + b"1,ok\n" * HEAD_BYTES  # far more than a head
    found = decoded(*blocks_of(plain), "2,好评\n".encode(encoding), b"3,fine\n")
    lines = "".join(found.lines()).split("\n")
    assert found.encoding == encoding
    assert lines[:2] == ["id,text", "1,ok"]
    assert lines[-3:] == ["2,好评", "3,fine", ""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@given(data=st.data())
def test_a_pipe_may_pause_at_any_byte(encoding, data):
    text = "id,text\n1,你好，质量很好\n2,评价OK\n"
    whole = text.encode(encoding)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=3)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert "".join(decoded(*pieces).lines()) == text


def test_a_line_is_given_before_the_next_is_read():
    stream = Pieces("好用\n".encode(), "差\n".encode())
    lines = Decoded("x", stream).lines()
    assert next(lines) == "好用\n"
    assert stream.given == 1
    assert list(lines) == ["差\n"]


def test_bytes_that_fit_no_character_are_marked():
    assert lines_of("好\n".encode() * 3 + b"a\xffb\n") == ["好"] * 3 + [f"a{UNDECODABLE}b"]


def test_a_nul_is_part_of_a_line():
    assert lines_of("好\0用\n差\n".encode()) == ["好\0用", "差"]


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_a_line_of_a_megabyte_is_one_line(shift):
    line = "a" * shift + "好评" * 175_000
    assert lines_of(*blocks_of(line.encode())) == [line]
    assert lines_of(*blocks_of(f"差\n{line}\n棒".encode())) == ["差", line, "棒"]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_characters_across_blocks_stay_whole(encoding):
    lines = [f"第{i}条：质量很好，下次还来" for i in range(2 * BLOCK // 25)]
    data = "\n".join(lines).encode(encoding)
    assert len(data) > 2 * BLOCK
    assert lines_of(*blocks_of(data)) == lines


def test_the_share_that_was_read_is_known_of_a_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"plain\n" * BLOCK)
    with path.open("rb", buffering=0) as stream:
        found = Decoded("a.txt", stream)
        assert 0 < found.progress() < 1
        assert sum(1 for _ in found.lines()) == BLOCK
        assert found.progress() == 1
    assert decoded(b"plain\n").progress() is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("step", [1, 7, BLOCK])
def test_gzip_is_unpacked_as_it_comes(encoding, step):
    lines = ["质量很好", "差", "物流慢"]
    packed = gzip.compress("\n".join([*lines, ""]).encode(encoding))
    assert lines_of(*[packed[at : at + step] for at in range(0, len(packed), step)]) == lines


def test_gzip_in_several_members_is_one_text():
    assert lines_of(gzip.compress("好\n".encode()) + gzip.compress("差\n".encode())) == ["好", "差"]


def test_the_share_of_a_packed_file_is_that_of_its_packed_bytes(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d plain\n" % i for i in range(BLOCK)), 1))
    with path.open("rb", buffering=0) as stream:
        found = Decoded("a.gz", stream)
        assert 0 < found.progress() < 1
        assert sum(1 for _ in found.lines()) == BLOCK
        assert found.progress() == 1


@pytest.mark.parametrize("cut", [3, 12, 400, -9, -1])
def test_gzip_that_is_cut_off_is_told(cut):
    packed = gzip.compress(b"".join(b"%d plain\n" % (i * i) for i in range(500)))
    with pytest.raises(DataError, match="x is gzip that is damaged or cut off"):
        lines_of(packed[:cut])


@given(st.integers(10, 900), st.integers(1, 255))
def test_gzip_that_is_damaged_is_told_or_reads_the_same(at, change):
    lines = [f"{i * i} plain" for i in range(500)]
    packed = bytearray(gzip.compress("\n".join([*lines, ""]).encode()))
    packed[at] ^= change
    try:
        assert lines_of(bytes(packed)) == lines
    except DataError as error:
        assert str(error).startswith("x is gzip that is damaged")  # noqa: PT017 - either outcome will do


def test_an_empty_file_in_gzip_is_empty():
    with pytest.raises(DataError, match="x is empty"):
        lines_of(gzip.compress(b""))


def test_the_first_lines_come_again():
    found = decoded("好\n差\n".encode(), "棒\n".encode())
    assert found.head() == found.head() == ["好", "差"]
    assert [line for block in found.line_blocks() for line in block] == ["好", "差", "棒"]


def test_whether_any_byte_was_undecodable_is_known():
    found = decoded("好\n".encode(), b"\xff\n", encoding="utf-8")
    lines = found.lines()
    assert (next(lines), found.undecodable) == ("好\n", False)
    assert (next(lines), found.undecodable) == (f"{UNDECODABLE}\n", True)


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("reviews.txt", "好")
    return stream.getvalue()


def tarred(kind: int) -> bytes:
    """An archive of a text in UTF-16, whose name leaves fewer zeros than most."""
    stream, text = io.BytesIO(), ("好" * 400).encode("utf-16")
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        member = tarfile.TarInfo("a" * 90)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return stream.getvalue()


BEGINNINGS = ("BZh", "BZh9", "BZhang老师", "BZh91AY", "PAR1灯", "Rar!", "PK", "7z", "%PDF-1.7的", "SQLite format 3")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("step", [1, BLOCK])
@pytest.mark.parametrize("word", BEGINNINGS)
def test_a_text_that_begins_like_something_else_is_read(word, step, encoding):
    data = f"{word}推荐的东西很好用\n差\n".encode(encoding)
    assert lines_of(*[data[at : at + step] for at in range(0, len(data), step)]) == [f"{word}推荐的东西很好用", "差"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("step", [1, BLOCK])
@pytest.mark.parametrize("text", ["好\n", ""])
def test_what_is_packed_is_unpacked(pack, step, text):
    data = pack(text.encode())
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    if text:
        assert lines_of(*pieces) == ["好"]
    else:
        with pytest.raises(DataError, match="x is empty"):
            lines_of(*pieces)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "x is empty"),
        (b"\xef\xbb\xbf", "x is empty"),
        (b"\xff\xfe", "x is empty"),
        (zipped(), "x is a zip file or an Excel workbook: save it as CSV"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "x is a PDF"),
        (gzip.compress(gzip.compress("好".encode(), mtime=0), mtime=0), "x is gzip inside gzip: unpack it once"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "x is a picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x is an old Office file"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "x is a 7z archive"),
        (b"Rar!\x1a\x07\x01\0", "x is a RAR archive"),
        (b"PAR1\x15\x04\x15\x10", "x is a Parquet file"),
        (b"SQLite format 3\0\x10\0", "x is an SQLite database"),
        *((tarred(kind), "x is a tar archive: unpack it first") for kind in (0, 1, 2)),
        (bz2.compress(tarred(0)), "x is a tar archive: unpack it first"),
        (bytes(range(256)) * 8, "x is binary"),
        (b"a.txt" + bytes(1000), "x is a tar archive, or another binary file"),
    ],
)
@pytest.mark.parametrize("step", [1, BLOCK])
def test_what_is_no_text_is_refused(data, reason, step):
    if step == 1 and ("binary" in reason or data.startswith(b"a")):
        pytest.skip("a few bytes do not show it")
    with pytest.raises(DataError, match=reason):
        decoded(*[data[at : at + step] for at in range(0, len(data), step)])
