"""``nlpkit vectors``: what the shell is told, and what it imports."""

import json
import subprocess
import sys

import click
import numpy as np
import pytest
from nlpkit import DataError, DataWarning, SettingError
from nlpkit.commands import cli

from nlpkit_word2vec.files import BinaryVectorFile, open_vectors, write_vectors
from nlpkit_word2vec.neighbours import Neighbours

pytestmark = pytest.mark.train
TEXTS = [
    f"这家{shop}的{thing}{how}" for shop in ("店", "商场") for thing in ("手机", "衣服") for how in ("很好", "太差")
]
HEAVY = ("numpy", "torch", "gensim", "rich")


@pytest.fixture
def corpus(write):
    return write("\n".join(TEXTS * 10), "texts.txt")


@pytest.fixture
def train(tmp_path, corpus):
    """Train in this process: a new one would import torch and gensim each time."""
    pytest.importorskip("torch")

    def train_vectors(*arguments, name="v.bin", corpora=(corpus,)):
        path = tmp_path / name
        command = ["vectors", "train", *corpora, "-o", path, "--dim", 8, *arguments]
        cli.main([str(argument) for argument in command], standalone_mode=False)
        return path

    return train_vectors


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "near.txt"
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], dtype=np.float32)
    write_vectors(path, ["质量", "品质", "手机", "ok"], vectors, binary=False)
    return path


def words(path):
    return {word for word, _ in open_vectors(str(path)).choose(lambda _: True)}


@pytest.mark.slow
def test_vectors_are_trained_written_and_asked(run, corpus, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "v.bin"
    done = run("vectors", "train", corpus, "-o", path, "--dim", 8)
    assert (done.returncode, done.stdout) == (0, "")
    assert "80 texts" in done.stderr
    assert "epoch 5 of 5" in done.stderr
    assert {"手机", "衣服"} <= words(path)
    done = run("vectors", "near", "手机", "--vectors", path, "--top", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(".") == 2


@pytest.mark.parametrize(
    ("name", "arguments", "binary"),
    [
        ("v.vec", [], False),
        ("v.bin.gz", [], True),
        ("v.txt.gz", [], False),
        ("v", ["--format", "binary"], True),
        ("v.txt", ["--format", "binary"], True),
    ],
)
def test_the_name_or_an_option_chooses_the_format(train, name, arguments, binary):
    found = open_vectors(str(train(*arguments, name=name)))
    assert (isinstance(found, BinaryVectorFile), found.dim) == (binary, 8)


def test_the_same_texts_make_the_same_file(train):
    first, again, other = (train("--seed", seed, name=f"{i}.bin") for i, seed in enumerate([1, 1, 2]))
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_labels_are_no_words_and_texts_are_normalised(train, write):
    table = write("text,label\n" + "這個手機ＯＫ,标签\n" * 9, "labelled.csv")
    lines = write("手机不错,,标签\n" * 9, "lines.txt")
    with pytest.warns(DataWarning, match=r"lines\.txt: what stands behind ,, is taken for the label of each line"):
        found = words(train(corpora=(table, lines)))
    assert found >= {"手机", "ok", "不错"}
    assert "标签" not in found


def test_words_that_hold_white_space_are_left_out(train, write):
    found = words(train("--tokenizer", "char", corpora=(write("好 的\u3000吧\n" * 9, "spaced.txt"),)))
    assert found == {"好", "的", "吧"}


def test_a_file_is_replaced_on_request_only(train):
    before = train().read_bytes()
    with pytest.raises(DataError, match="exists: choose another name, or say --force to replace it"):
        train("--seed", 1)
    assert train("--seed", 1, "--force").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "options", "error", "sentence"),
    [
        ([], {"name": "v"}, click.UsageError, "say by --format text or binary"),
        (["--dim", 0], {}, click.UsageError, "0 is not in the range"),
        (["--tokenizer", "rjeba"], {}, SettingError, "did you mean 'rjieba'"),
        (["--min-count", 1000], {}, DataError, "no word stands 1000 times in the texts"),
        ([], {"corpora": ["nowhere.txt"]}, DataError, "there is no file 'nowhere.txt'"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(train, tmp_path, arguments, options, error, sentence):
    before = set(tmp_path.iterdir())
    with pytest.raises(error, match=sentence):
        train(*arguments, **options)
    assert set(tmp_path.iterdir()) == before


def test_the_nearest_words_stand_first(run, file):
    done = run("vectors", "near", "质量", "手机", "--vectors", file, "--format", "jsonl")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["word"], second["word"]) == ("质量", "手机")
    assert [n["word"] for n in first["near"]] == ["品质", "手机", "ok"]
    assert first["near"][0]["similarity"] == pytest.approx(0.9939, abs=1e-4)


def test_two_words_are_compared(run, file):
    done = run("vectors", "similar", "质量", "品质", "--vectors", file)
    assert done.stdout == "0.9939\n"
    assert run("vectors", "similar", "质量", "没有", "--vectors", file).returncode == 1


def test_what_is_to_a_word_as_another_is_to_a_third_stands_first(run, tmp_path):
    path = tmp_path / "royal.txt"
    path.write_text("男 1 0 0\n女 0 1 0\n国王 1 0 1\n女王 0 1 1\n苹果 -1 -1 0\n", "utf-8")
    done = run("vectors", "analogy", "男", "国王", "女", "--vectors", path, "--top", 9, "--format", "jsonl")
    found = json.loads(done.stdout)
    assert found["word"] == "男 : 国王 = 女 : ?"
    assert [near["word"] for near in found["near"]] == ["女王", "苹果"]
    assert "女王" in run("vectors", "analogy", "男", "国王", "女", "--vectors", path).stdout


def test_a_vector_is_printed_as_the_file_has_it(run, file):
    done = run("vectors", "get", "品质", "ok", "--vectors", file)
    assert done.stdout.splitlines()[0].split()[0] == "品质"
    found = json.loads(run("vectors", "get", "品质", "--vectors", file, "--format", "jsonl").stdout)
    assert found["vector"] == pytest.approx([float(number) for number in done.stdout.splitlines()[0].split()[1:]])


def test_a_word_that_is_not_known_keeps_no_other_back(run, file):
    done = run("vectors", "near", "质亮", "手机", "--vectors", file, "--format", "jsonl")
    assert done.returncode == 1
    assert done.stderr == f"Error: {file} has no word '质亮'; did you mean '质量' or '品质'?\n"
    assert json.loads(done.stdout)["word"] == "手机"


def test_a_word_is_looked_up_as_it_stands_then_normalised(file):
    known = Neighbours.read(str(file))
    assert known.near("ＯＫ", 1) == known.near("ok", 1)


def test_a_word_of_the_file_is_met_in_the_spelling_of_texts(write):
    known = Neighbours.read(str(write("Ｔ恤 1 2\nT恤 2 2\nU盘 3 1\n".encode(), "v.txt")))
    assert known.near("t恤", 2) == known.near("Ｔ恤", 2) == known.near("T恤", 2)
    assert [n.word for n in known.near("T恤", 2)] == ["U盘"]
    assert known.near("u\u200b盘", 2) == known.near("U盘", 2)


def test_of_words_that_texts_cannot_tell_apart_the_first_is_shown_as_people_see_it(write):
    known = Neighbours.read(str(write("质\u200b量 1 2\n质量 2 1\n品质 1 3\n質量 1 1\n\u200b 1 1\n".encode(), "v.txt")))
    assert [n.word for n in known.near("品质", 9)] == ["质量"]
    assert known.near("品质", 9)[0].similarity == pytest.approx(7 / 50**0.5)


def test_a_model_of_gensims_is_refused(run, write):
    path = write(b"\x80\x04\x95", "w2v.model")
    done = run("vectors", "near", "好", "--vectors", path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "save_word2vec_format" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["vectors", "--help"], ["vectors", "train", "--help"]])
def test_help_is_light(arguments):
    program = (
        "import sys\nfrom nlpkit.commands.main import cli\n"
        f"cli.main({arguments!r}, standalone_mode=False)\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == "[]\n"
    assert "vectors" in done.stdout


def test_near_needs_neither_gensim_nor_torch(file):
    program = (
        "import sys\nfrom nlpkit.commands.main import cli\n"
        f"cli.main(['vectors', 'near', '质量', '--vectors', {str(file)!r}], standalone_mode=False)\n"
        "assert not {'gensim', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


def test_the_plugin_is_listed(run):
    found = {plugin["name"]: plugin for plugin in json.loads(run("plugins", "list", "--format", "json").stdout)}
    assert found["nlpkit-zh-word2vec"]["registers"]["embedding"] == ["word2vec"]
    assert found["nlpkit-zh-word2vec"]["error"] is None
