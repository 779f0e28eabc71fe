"""From the shell: what the README shows, what is imported when, and what is said where the hub cannot be reached."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_bert import PIECES, write_bert, write_tokenizer

PLUGIN = Path(__file__).resolve().parent.parent
SAMPLES = PLUGIN.parent.parent / "corpora" / "samples"
HEAVY = ("torch", "transformers", "tokenizers", "huggingface_hub", "numpy", "safetensors")
WITHOUT = "import sys; sys.modules.update(torch=None, transformers=None)\n"
RUN = f"{WITHOUT}from nlpkit.commands.main import main\nmain()"
MAKE = "from nlpkit.plugins.registry import registry\nmade = registry().get({!r}, {!r}).create({!r})\n"


@pytest.fixture
def python(environment):
    """Run a program in a process of its own, in which the hub cannot be reached."""

    def run(program, *arguments, **more):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment | more, check=False)

    return run


@pytest.fixture(scope="module")
def shown():
    """The commands of the README, by the word that stands beside them."""
    found = re.findall(r"^```sh (\w+)\n(.*?)^```", (PLUGIN / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    return dict(found)


@pytest.fixture
def walk(tmp_path, environment):
    """Run commands of a page as they stand, beside the repository's samples."""
    for name in ("labelled.csv", "reviews.txt"):
        shutil.copy(SAMPLES / name, tmp_path)

    def run(commands, **more):
        return subprocess.run(
            ["sh", "-ec", commands],
            cwd=tmp_path,
            env=environment | more,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run


def test_nothing_heavy_is_imported_at_start(python):
    done = python(f"import sys, nlpkit_bert\nprint([m for m in {HEAVY} if m in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_tokenizer_needs_neither_torch_nor_transformers(python, folder):
    made = MAKE.format("tokenizer", "wordpiece", {"model": str(folder), "longest": 64})
    done = python(f"{WITHOUT}{made}print(made.tokenize('好'))")
    assert (done.stdout, done.stderr) == ("['[CLS]', '好', '[SEP]']\n", "")


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_the_embedding_says_what_to_install(python, package):
    pytest.importorskip("torch")
    made = MAKE.format("embedding", "bert", {"model": "bert-base-chinese"})
    done = python(f"import sys; sys.modules[{package!r}] = None\n{made}")
    assert done.stderr.endswith(
        f"the embedding bert needs {package}, which is not installed: pip install 'plugins/nlpkit-zh-bert[train]' in a "
        "clone of nlpkit's repository\n"
    )


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
@pytest.mark.parametrize("more", [{"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "0"}])
def test_what_cannot_be_had_is_told_in_one_sentence(walk, shown, tmp_path, more):
    pytest.importorskip("transformers")
    done = walk(shown["hub"], HF_HUB_CACHE=str(tmp_path / "cache"), **more)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "bert-base-chinese is neither a folder nor in the cache, and the hub cannot be reached: " in done.stderr
    assert "download the model elsewhere, and give the folder" in done.stderr


@pytest.mark.parametrize("more", [{"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "0"}])
def test_what_is_in_the_cache_needs_no_hub(python, cached, tmp_path, more):
    model = write_tokenizer(tmp_path / "bert")
    found = cached(tmp_path / "cache", "hfl/tiny", model)
    made = MAKE.format("tokenizer", "wordpiece", {"model": "hfl/tiny", "longest": 64})
    done = python(f"{made}print(made.tokenize('好'), made.config)", **found, **more)
    assert (done.stdout, done.stderr) == ("['[CLS]', '好', '[SEP]'] {'longest': 64}\n", "")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.train
def test_weights_in_the_cache_need_no_hub(python, cached, tmp_path):
    pytest.importorskip("transformers")
    found = cached(tmp_path / "cache", "bert-base-chinese", write_bert(tmp_path / "bert"))
    made = MAKE.format("embedding", "bert", {"model": "bert-base-chinese"})
    done = python(f"{made}print(len(made.fit([['好']], [0])))", HF_HUB_OFFLINE="1", **found)
    assert (done.stdout, done.stderr) == (f"{len(PIECES)}\n", "")


@pytest.mark.train
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
class TestReadme:
    @pytest.fixture(autouse=True)
    def model(self, tmp_path):
        pytest.importorskip("transformers")
        write_bert(tmp_path / "bert", max_position_embeddings=512)

    @pytest.mark.long
    @pytest.mark.slow
    def test_a_model_in_a_folder_trains_and_what_it_trained_scores_without_it(self, walk, shown, python, tmp_path):
        done = walk(shown["folder"])
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        expected = ("are unlike the text", "still getting better")  # of so few rows and a model so small
        warned = [line for line in done.stderr.splitlines() if "Warning" in line]
        assert [line for line in warned if not any(part in line for part in expected)] == []
        shutil.rmtree(tmp_path / "bert")
        written = (tmp_path / "mine" / "config.json").read_text(encoding="utf-8")
        assert str(tmp_path) not in written
        assert "./bert" not in written
        (member,) = json.loads(written)["members"]
        assert member["runtime"] == "graph"
        scored = python(
            RUN, "sentiment", "score", tmp_path / "reviews.txt", "--model", tmp_path / "mine", "-f", "jsonl"
        )
        assert scored.returncode == 0, scored.stderr
        lines = [json.loads(line) for line in scored.stdout.splitlines()]
        assert len(lines) == len((tmp_path / "reviews.txt").read_text(encoding="utf-8").splitlines())
        assert {line["label"] for line in lines} <= {"positive", "negative", None}

    @pytest.mark.long
    @pytest.mark.slow
    def test_it_can_be_tuned(self, walk, shown):
        done = walk(shown["tuned"])
        assert done.returncode == 0, done.stderr
