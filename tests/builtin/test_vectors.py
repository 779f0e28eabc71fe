"""Files of vectors as others write them, whole and broken."""

import gzip
import re

import numpy as np
import pytest

from nlpkit.builtin.vectors import VectorFile
from nlpkit.errors import DataError, NlpkitError, SettingError

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
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_each_way_of_writing_is_read(write, text, pack):
    found = read(write(pack(text.encode())))
    assert {token: vector.dtype for token, vector in found.items()} == {"好": np.float32, "差": np.float32}
    np.testing.assert_allclose(found["好"], BEST)
    np.testing.assert_allclose(found["差"], WORST)


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
        (b"", DataError, "holds no vectors"),
        (b"5 0\n", DataError, "holds no vectors"),
        ("这是一篇文章\n".encode(), DataError, "holds no vectors"),
        (b"\x1f\x8bnonsense", DataError, "are damaged"),
        (b"1 64\n" + "好 ".encode() + bytes(256), DataError, "is binary: write the vectors as text"),
    ],
)
def test_a_file_that_cannot_be_right_is_told_before_it_is_read(write, data, error, sentence):
    with pytest.raises(error, match=sentence):
        VectorFile(str(write(data)), 64)


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.txt cannot be read: No such file"):
        VectorFile(str(tmp_path / "nowhere.txt"), 3)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        VectorFile(str(tmp_path), 3)


def test_a_packed_file_that_is_cut_off_is_damaged(write):
    lines = "".join(f"词{i} {i} {i * 7 % 97} {i * 31 % 101}\n" for i in range(20_000))
    packed = gzip.compress(lines.encode())
    with pytest.raises(DataError, match="are damaged"):
        read(write(packed[: len(packed) // 2]), ["词19999"])


@pytest.mark.parametrize("data", [b"2 3\n" + bytes(range(256)) * 9, b"\x80" * 3_000_000, b"1" * 5000 + b" 2"])
def test_what_is_no_text_is_one_sentence(write, data):
    with pytest.raises(NlpkitError) as caught:
        read(write(data))
    assert len(str(caught.value)) < 400


def test_a_file_is_never_in_memory_as_a_whole(write):
    import tracemalloc

    path = write("".join(f"词{i} {'0.123456 ' * 50}\n" for i in range(20_000)).encode())  # 9 MB
    tracemalloc.start()
    try:
        assert len(read(path, ["词7", "词19999"], 50)) == 2
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
