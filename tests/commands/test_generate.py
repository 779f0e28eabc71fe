"""``nlpkit generate``: what it prints, in which form, with which exit code."""

import json
import subprocess
import sys

import pytest

from tests import tiny_generation
from tests.commands.test_score import one_sentence


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_generation.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def generate(model):
    def call(*arguments, **options):
        command = [sys.executable, "-m", "nlpkit", "generate", *map(str, arguments), "--model", str(model)]
        return subprocess.run(command, capture_output=True, check=False, **options)

    return call


def test_a_text_goes_on_from_its_prompt(generate):
    done = generate("--prompt", "质量", "--seed", 1)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.startswith("质量")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert generate("text", "--prompt", "质量", "--seed", 1).stdout == done.stdout


def test_several_texts_are_lines_or_json(generate):
    lines = generate("-p", "快", "-n", 3, "--seed", 2).stdout.decode().splitlines()
    rows = [json.loads(line) for line in generate("-p", "快", "-n", 3, "--seed", 2, "-f", "jsonl").stdout.splitlines()]
    assert [row["prompt"] + row["text"] for row in rows] == lines
    assert [row["number"] for row in rows] == [0, 1, 2]
    assert {row["seed"] for row in rows} == {2}
    assert {row["ended"] for row in rows} <= {"end", "length"}


def test_a_drawn_seed_is_told_and_gives_the_same_text(generate):
    row = json.loads(generate("-f", "jsonl").stdout)
    again = json.loads(generate("-f", "jsonl", "--seed", row["seed"]).stdout)
    assert again == row


def test_options_reach_the_model(generate):
    greedy = generate("-p", "质量", "-t", 0).stdout.decode()
    assert greedy == generate("-p", "质量", "-t", 0, "--seed", 5).stdout.decode()
    assert generate("-p", "质量", "--top-k", 1, "--seed", 9).stdout.decode() == greedy
    assert generate("-p", "质量", "-l", 2, "-t", 0).stdout.decode() == greedy[:4] + "\n"
    assert generate("-p", "质量", "-t", 0, "--stop", greedy[3]).stdout.decode() == greedy[:3] + "\n"
    assert len(generate("--through", "-l", 90, "--seed", 1).stdout.decode()) == 91


@pytest.mark.parametrize("prompt", ["😀😀", "line\nbreak\n", "Ａ", "\\ud800", ""])
def test_any_prompt_will_do(generate, prompt):
    done = generate("--prompt", prompt, "--seed", 1)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(prompt)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--length", "-1"], 2),
        (["--top-p", "0"], 2),
        (["--temperature", "-1"], 2),
        (["--seed", "-1"], 2),
        (["evaluat", "x"], 2),
    ],
)
def test_a_wrong_option_is_an_error_of_the_command_line(generate, arguments, code):
    done = generate(*arguments)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_texts_are_measured(generate, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("质量很好\n快递x慢\n", encoding="utf-8")
    found = json.loads(generate("evaluate", path, "--format", "json").stdout)
    assert (found["texts"], found["characters"], found["unknown"]) == (2, 10, 1)
    assert found["perplexity"] == pytest.approx(2 ** found["bits"], abs=0.02)
    table = generate("evaluate", path).stdout.decode()
    assert f"{found['bits']:.4f}" in table


def test_a_file_without_texts_is_one_sentence(generate, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("", encoding="utf-8")
    assert "empty.txt" in one_sentence(generate("evaluate", empty), 1)
    assert "nowhere.txt" in one_sentence(generate("evaluate", tmp_path / "nowhere.txt"), 1)


@pytest.mark.train
def test_a_model_is_trained_from_the_shell(tmp_path):
    pytest.importorskip("torch")
    corpus = tmp_path / "texts.txt"
    corpus.write_text("\n".join(f"{text}{i}" for i, text in enumerate(tiny_generation.TEXTS * 5)), encoding="utf-8")
    small = ["encoder.hidden=8", "embedding.dim=8", "training.epochs=2", "training.streams=2", "validation=0.2"]
    command = [sys.executable, "-m", "nlpkit", "generate", "train", corpus, "-o", tmp_path / "m"]
    command += [part for one in small for part in ("--set", one)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"bits a character" in done.stdout
    said = done.stderr.decode()
    assert "epoch   2" in said
    assert "nlpkit generate --prompt" in said
    again = subprocess.run(command, capture_output=True, check=False)
    assert "holds a model already" in one_sentence(again, 1)
