"""Files of vectors as others write them, whole and broken."""

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile

import numpy as np
import pytest

from nlpkit.components.vectors import VectorFile
from nlpkit.errors import DataError, NlpkitError, SettingError
from nlpkit.text.normalisation import Normaliser

LINES = "好 1 2.5 -3\n差 4e-1 5 6\n的 7 8 9\n"
BEST, WORST = [1, 2.5, -3], [0.4, 5, 6]


def read(path, tokens=("好", "差"), dim=3):
    return {tokens[position]: vector for position, vector in VectorFile(str(path), dim).read(tokens)}


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "3 3\n" + LINES,
        "2 3\n" + LINES,  # more than promised: nothing is missing
        "\ufeff" + LINES,
        "\ufeff3 3\n" + LINES,
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n", " \n"),  # as word2vec itself writes
        LINES.replace(" ", "\t"),
        LINES.rstrip("\n"),
        LINES.replace("\n", "\n\n"),
        LINES + "好 9 9 9\n",  # the first of two counts
        LINES + "at 5 0.1 0.2 0.3\n. . . 1 2 3\n",  # GloVe's tokens with spaces
        LINES + " 1 2 3\n\u3000 1 2 3\n",  # tokens that are spaces
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_each_way_of_writing_is_read(write, text, pack):
    found = read(write(pack(text.encode())))
    assert {token: vector.dtype for token, vector in found.items()} == {"好": np.float32, "差": np.float32}
    np.testing.assert_allclose(found["好"], BEST)
    np.testing.assert_allclose(found["差"], WORST)


def archive(kind):
    packed = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("v.txt", LINES)
    else:
        with tarfile.open(fileobj=packed, mode="w", format=kind) as file:
            member = tarfile.TarInfo("词.txt")
            member.size = len(LINES.encode())
            file.addfile(member, io.BytesIO(LINES.encode()))
    return packed.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive("zip"), "is a zip archive, as NumPy and torch write them too: unzip it first"),
        *((archive(kind), "is a tar archive: tar xf it first") for kind in (0, 1, 2)),
        (b"7z\xbc\xaf\x27\x1c" + bytes(64), "is a 7z archive: unpack it first"),
        (b"Rar!\x1a\x07\x01" + bytes(64), "is a RAR archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd" + bytes(64), "is packed by zstd: unzstd it first"),
    ],
)
def test_an_archive_is_told_with_what_to_do(write, data, said, pack):
    path = write(pack(data))
    with pytest.raises(DataError, match=f"{re.escape(str(path))} {said}"):
        VectorFile(str(path), 3)


@pytest.mark.parametrize("inner", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_packed_twice_is_told(write, inner):
    with pytest.raises(DataError, match="is packed twice: unpack it once"):
        VectorFile(str(write(gzip.compress(inner(LINES.encode())))), 3)


@pytest.mark.parametrize("word", ["PK", "BZh9", "BZh91AY", "7z", "Rar!", "PAR1", "%PDF-1.7"])
def test_a_word_is_no_archive(write, word):
    assert set(read(write(f"{word} 1 2 3\n{LINES}".encode()), [word])) == {word}


def test_words_are_read_in_the_spelling_of_texts_of_which_the_first_counts(write):
    lines = "Ｔ恤 1 1 1\nt恤 2 2 2\n品質 3 3 3\nT\u200b恤 4 4 4\n品质 5 5 5\n\u200b 6 6 6\n的 7 7 7\n"
    file = VectorFile(str(write(lines.encode())), 3, Normaliser())
    found = dict(file.read(["品质", "t恤"]))
    np.testing.assert_array_equal([found[0], found[1]], [[3] * 3, [1] * 3])
    assert file.repeated == 3
    assert [token for token, _ in file.choose(lambda _: True)] == ["t恤", "t恤", "品质", "t恤", "品质", "的"]
    as_it_stands = VectorFile(str(write(lines.encode(), "again")), 3)
    np.testing.assert_array_equal(next(as_it_stands.read(["t恤"]))[1], [2] * 3)


def test_bytes_that_are_no_text_spoil_only_their_token(write):
    found = read(write(LINES.encode() + b"\xe5\xa5 1 2 3\n"))
    assert set(found) == {"好", "差"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("好 1 2 3\n差 4 5\n", "line 2: expected a token and 3 numbers, found 2 numbers"),
        ("3 3\n好 1 2 3\n差\n的 1 2 3\n", "line 3: expected a token and 3 numbers, found 0 numbers"),
        ("好 1 2 3\n差 4 五 6\n", "line 2: expected a token and 3 numbers, found something that is no number"),
        ("好 1 2 3\n差 4 nan 6\n", "line 2: expected a token and 3 numbers, found a number that is not finite"),
        ("好 1 2 3\n差 4 1e99 6\n", "line 2: expected a token and 3 numbers, found a number that is not finite"),
        ("9 3\n好 1 2 3\n差 4 5 6\n", "is cut off after line 3: it promises 9 vectors and has 2"),
        ("外 1 2 3\n", "has none of the 2 tokens of the vocabulary"),
    ],
)
def test_a_broken_file_is_told_by_its_line(write, text, sentence):
    path = write(text.encode())
    with pytest.raises(DataError, match=f"{re.escape(str(path))}.*{sentence}"):
        read(path)


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (LINES.encode(), SettingError, "dim is 64, but .* has vectors of 3 numbers: set dim=3"),
        (b"400000 300\n" + LINES.encode(), SettingError, "dim is 64, but .* has vectors of 300 numbers: set dim=300"),
        ("2 64\r好 1 2 3\r".encode(), DataError, "ends its lines in CR, as old Macs did: expected LF"),
        (b"", DataError, "holds no vectors"),
        (b"5 0\n", DataError, "holds no vectors"),
        ("这是一篇文章\n".encode(), DataError, "holds no vectors"),
        (b"\x1f\x8bnonsense", DataError, "are damaged"),
        (b"BZh91AY&SYnonsense", DataError, "are damaged"),
        (b"\xfd7zXZ\0nonsense", DataError, "are damaged"),
        (b"1 64\n" + "好 ".encode() + bytes(256), DataError, "is binary: write the vectors as text"),
    ],
)
def test_a_file_that_cannot_be_right_is_told_before_it_is_read(write, data, error, sentence):
    with pytest.raises(error, match=sentence):
        VectorFile(str(write(data)), 64)


@pytest.mark.parametrize("ahead", [b"", b"4 3\n", b"</s> 1 2 3\n"])
def test_a_file_in_another_encoding_than_utf_8_is_told(write, ahead):
    with pytest.raises(DataError, match=r"is not UTF-8: .* iconv -f GB18030 -t UTF-8"):
        VectorFile(str(write(ahead + LINES.encode("gb18030"))), 3)


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.txt cannot be read: No such file"):
        VectorFile(str(tmp_path / "nowhere.txt"), 3)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        VectorFile(str(tmp_path), 3)


def test_a_packed_file_that_is_cut_off_is_damaged(write):
    lines = "".join(f"词{i} {i} {i * 7 % 97} {i * 31 % 101}\n" for i in range(20_000))
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        packed = pack(lines.encode())
        with pytest.raises(DataError, match="are damaged"):
            read(write(packed[: len(packed) // 2]), ["词19999"])


@pytest.mark.parametrize("data", [b"2 3\n" + bytes(range(256)) * 9, b"\x80" * 3_000_000, b"1" * 5000 + b" 2"])
def test_what_is_no_text_is_one_sentence(write, data):
    with pytest.raises(NlpkitError) as caught:
        read(write(data))
    assert len(str(caught.value)) < 400


@pytest.mark.slow
def test_a_file_is_never_in_memory_as_a_whole(write):
    import tracemalloc

    path = write("".join(f"词{i} {'0.123456 ' * 50}\n" for i in range(20_000)).encode())  # 9 MB
    tracemalloc.start()
    try:
        assert len(read(path, ["词7", "词19999"], 50)) == 2
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
