"""Commands without any input on a terminal."""

import os
import re

import pytest

from tests.terminals import type_into

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX terminals")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def talk(nlpkit_command, clean_environment):
    def type_lines(*words, lines=(), end=b"\x04"):
        typed = [*(f"{line}\n".encode() if isinstance(line, str) else line for line in lines), end]
        code, seen = type_into([nlpkit_command, *words], clean_environment, typed)
        return code, COLOURS.sub("", seen.decode(errors="replace")).replace("\r\n", "\n")

    return type_lines


def test_each_text_is_scored_until_the_end(talk, tiny_model):
    code, seen = talk("sentiment", "score", "-m", tiny_model, lines=["好货", "", b"\xff\n", "差"])
    assert code == 0
    first, *turns = seen.split("\n> ")
    assert first == "Type a text and press Enter; Ctrl-D ends."
    assert re.fullmatch(r"好货\npositive +0\.\d+  好货", turns[0])
    assert turns[1] == ""
    assert re.search(r"\n- +-  \(.*\)", turns[2])
    assert re.fullmatch(r"差\nnegative +0\.\d+  差", turns[3])
    assert turns[4].strip() == ""


def test_options_count_in_each_turn(talk, tiny_model):
    _, seen = talk("sentiment", "score", "--explain", "-m", tiny_model, lines=["好货"])
    assert re.search(r"positive +0\.\d+  好货\n +好货 \+2", seen)
    code, seen = talk("sentiment", "score", "--strict", "-f", "jsonl", "-m", tiny_model, lines=["，", "好"])
    assert code == 1
    assert '"row":2,"text":"好","label":"positive"' in seen


@pytest.mark.parametrize("verb", [[], ["fill"]])
def test_a_text_that_cannot_be_filled_is_no_end(talk, models, verb):
    code, seen = talk("cloze", *verb, "-m", models["cloze"], lines=["没有空", "质量__"])
    assert code == 0
    _, wrong, well, _ = seen.split("\n> ")
    assert wrong.splitlines()[1:] == [
        'Error: there is no blank in "没有空": mark it by two underscores, as in 衣服质量__哦'
    ]
    assert re.search(r"   1  \S+ +\d", well)


@pytest.mark.parametrize(("more", "texts"), [([], 1), (["-n", "2"], 2)])
def test_a_text_goes_on_from_each_prompt(talk, models, more, texts):
    code, seen = talk("generate", *more, "--seed", "3", "-l", "5", "-m", models["generate"], lines=["质量", "质量"])
    assert code == 0
    _, *turns, _ = (turn.splitlines() for turn in seen.split("\n> "))
    assert [len([line for line in turn[1:] if line.startswith("质量")]) for turn in turns] == [texts, texts]


def test_ctrl_c_ends_as_it_does_everywhere(talk, tiny_model):
    code, seen = talk("sentiment", "score", "-m", tiny_model, lines=["好货"], end=b"\x03")
    assert code == 130
    assert seen.endswith("Interrupted.\n")


@pytest.mark.parametrize("words", [["-c", "text"], ["--by", "text"], ["-o", "out.csv"]])
def test_what_is_of_files_wants_a_file(talk, tiny_model, words):
    code, seen = talk("sentiment", "score", "-m", tiny_model, *words)
    assert code == 2
    assert "no input" in seen


def test_nobody_is_asked_where_stdout_is_no_terminal(nlpkit_command, clean_environment, tiny_model):
    command = f"'{nlpkit_command}' sentiment score -m '{tiny_model}' | cat"
    _, seen = type_into(["/bin/sh", "-c", command], clean_environment, [])
    assert b"no input" in seen
