"""Files of vectors in every format: told apart by what is in them, whole and broken; and those that we write."""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import tracemalloc

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nlpkit import DataError, NlpkitError, SettingError
from nlpkit.text import Normaliser

from nlpkit_word2vec.files import BinaryVectorFile, format_of, open_vectors, write_vectors

WORDS = ["好", "质量", "的"]
VECTORS = np.array([[1, 2.5, -3], [0.5, 5, 6], [7, 8, 9]], dtype=np.float32)


def binary(words=WORDS, vectors=VECTORS, header=None, end=b"\n"):
    entries = [w if isinstance(w, bytes) else w.encode() for w in words]
    data = b"".join(w + b" " + v.astype("<f4").tobytes() + end for w, v in zip(entries, vectors, strict=True))
    return (header or b"%d %d\n" % (len(words), len(vectors[0]))) + data


def text(header=True):
    lines = [f"{w} {' '.join(map(str, v))}\n" for w, v in zip(WORDS, VECTORS.tolist(), strict=True)]
    return ("3 3\n" * header + "".join(lines)).encode()


def everything(path):
    return list(open_vectors(str(path)).choose(lambda _: True))


def check(found):
    assert [word for word, _ in found] == WORDS
    np.testing.assert_array_equal(np.stack([vector for _, vector in found]), VECTORS)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("data", [text(), text(header=False), binary(), binary(end=b"")])
def test_a_format_is_told_by_what_is_in_the_file(write, data, pack):
    check(everything(write(pack(data), "any.name")))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_is_told_with_what_to_do(write, pack):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        file.addfile(tarfile.TarInfo("v.bin"))
    with pytest.raises(DataError, match="is a tar archive: tar xf it first"):
        open_vectors(str(write(pack(packed.getvalue()), "v.tar.any")))


@pytest.mark.parametrize("write_as", [binary, text])
def test_words_are_read_in_the_spelling_of_texts(write, write_as):
    data = write_as().replace("质量".encode(), "質\u200b量".encode())
    found = list(open_vectors(str(write(data, "v")), normaliser=Normaliser()).choose(lambda _: True))
    check(found)


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_gensim_reads_what_we_write_and_we_what_it_writes(tmp_path, is_binary, suffix):
    ours, theirs = tmp_path / f"ours{suffix}", tmp_path / f"theirs{suffix}"
    write_vectors(ours, WORDS, VECTORS, binary=is_binary)
    read = KeyedVectors.load_word2vec_format(str(ours), binary=is_binary)
    check([(word, read[word]) for word in read.index_to_key])
    read.save_word2vec_format(str(theirs), binary=is_binary)
    check(everything(theirs))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(1, 9).flatmap(
        lambda dim: arrays(
            np.float32, (3, dim), elements=st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False)
        )
    ),
    st.booleans(),
)
def test_numbers_survive(tmp_path_factory, vectors, is_binary):
    path = tmp_path_factory.mktemp("vectors") / "v"
    write_vectors(path, WORDS, vectors, binary=is_binary)
    found = dict((BinaryVectorFile if is_binary else open_vectors)(str(path)).choose(lambda _: True))
    read = np.stack([found[word] for word in WORDS])
    np.testing.assert_allclose(read, vectors, rtol=0 if is_binary else 1e-5)


def test_equal_vectors_make_equal_files(tmp_path):
    for name in ("a.bin.gz", "b.bin.gz"):
        write_vectors(tmp_path / name, WORDS, VECTORS, binary=True)
    assert (tmp_path / "a.bin.gz").read_bytes() == (tmp_path / "b.bin.gz").read_bytes()


def test_only_wanted_words_are_looked_at(write):
    broken = VECTORS.copy()
    broken[2] = np.nan
    found = list(open_vectors(str(write(binary(vectors=broken)))).choose({"好"}.__contains__))
    assert [word for word, _ in found] == ["好"]


def test_a_word_that_is_no_text_is_passed_over(write):
    assert [word for word, _ in everything(write(binary([b"\xe5\xa5", "质量", "的"])))] == WORDS[1:]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (binary()[:-5], "promises 3 words with 3 numbers each, but breaks off in word 3"),
        (binary(header=b"4 3\n"), "breaks off in word 4"),
        (binary(header=b"2 3\n"), "goes on behind the last"),
        (binary(["好", "很 好", "的"]), "a word in it holds a space"),
        (binary(vectors=VECTORS * np.nan), r"word 1 \('好'\): a number that is not finite"),
        (
            "2 3\n好 nan nan nan\n差 1 2 3\n".encode(),
            "line 2: expected a token and 3 numbers, found a number that is not",
        ),
        (
            "2 3\n好 1 2 3\n差 inf -inf nan\n".encode(),
            "line 3: expected a token and 3 numbers, found a number that is not",
        ),
        ("2 3\n好 1 2 3\n差 4 5 6\n".encode("gb18030"), "is not UTF-8: .* iconv"),
        ("</s> 1 2 3\n好 1 2 3\n差 4 5 6\n".encode("gb18030"), "is not UTF-8"),
        (binary([word.encode("gb18030") for word in WORDS]), "is not UTF-8"),
        ("好 1 2 3\r差 4 5 6\r".encode(), "ends its lines in CR"),
        ("2 3\r好 1 2 3\r差 4 5 6\r".encode(), "ends its lines in CR"),
        (gzip.compress(binary() * 9, mtime=0)[:-20], "are damaged"),
        (b"", "holds no vectors"),
        (b"3 0\n", "holds no vectors"),
    ],
)
def test_a_broken_file_is_one_sentence(write, data, sentence):
    path = write(data)
    with pytest.raises(DataError, match=sentence) as caught:
        everything(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("data", [text(), binary()])
def test_another_length_than_asked_for_is_named(write, data):
    with pytest.raises(SettingError, match=r"dim is 200, but .* has vectors of 3 numbers: set dim=3"):
        open_vectors(str(write(data)), 200)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was opened",))


PICKLE = pickle.dumps(Trap())


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.kv", PICKLE, r"KeyedVectors.load\('.*a.kv'\).save_word2vec_format\('vectors.bin', binary=True\)"),
        ("a.model", PICKLE, r"a pickle.*Word2Vec.load\('.*a.model'\).wv.save_word2vec_format"),
        ("a.npy", b"\x93NUMPY\x01\x00", "an array of NumPy's without its words"),
        ("a.pt", b"PK\x03\x04", "a zip archive"),
        ("a.bin", struct.pack("<i", 793712314), "fastText's: take the .vec .*load_facebook_vectors"),
    ],
)
def test_pickles_and_others_are_refused_with_the_way_to_convert_them(write, name, data, sentence, pack):
    path = write(pack(data), name)
    with pytest.raises(DataError, match=sentence) as caught:
        open_vectors(str(path))
    assert str(caught.value).startswith(f"{path} is a")


def test_what_is_said_of_gensims_files_is_true(tmp_path):
    model = Word2Vec([["好", "的"]] * 9, vector_size=3, min_count=1, workers=1)
    for name, save in (("a.model", model.save), ("a.kv", model.wv.save)):
        save(str(tmp_path / name))
        with pytest.raises(DataError, match="convert it") as caught:
            open_vectors(str(tmp_path / name))
        said = str(caught.value).split("gensim's ")[1].replace("vectors.bin", str(tmp_path / "v.bin"))
        eval(said)
        assert [word for word, _ in everything(tmp_path / "v.bin")] == model.wv.index_to_key


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.sampled_from([b"", b"3 3\n", b"2 1\n", b"99999 300\n"]))
def test_whatever_is_in_a_file_it_is_read_or_refused_in_words(tmp_path_factory, data, header):
    path = tmp_path_factory.mktemp("wild") / "v.bin"
    path.write_bytes(header + data)
    try:
        everything(path)
    except NlpkitError as error:
        assert len(str(error)) < 600  # noqa: PT017


def test_a_large_file_is_never_in_memory_as_a_whole(write):
    words = [f"词{i}" for i in range(20_000)]
    path = write(binary(words, np.ones((len(words), 200), dtype=np.float32)))  # 16 MB
    tracemalloc.start()
    try:
        assert len(list(open_vectors(str(path)).choose({"词19999"}.__contains__))) == 1
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("before")
    with pytest.raises(ValueError):
        write_vectors(path, WORDS[:2], VECTORS, binary=False)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.bin", "binary"), ("a.BIN.gz", "binary"), ("a.vec.gz", "text"), ("a.txt", "text"), ("a.gz", None), ("a", None)],
)
def test_a_name_tells_the_format(tmp_path, name, expected):
    assert format_of(tmp_path / name) == expected
