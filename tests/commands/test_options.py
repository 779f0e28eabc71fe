"""Options that are made of dataclasses."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import click
import pytest
from click.testing import CliRunner

from nlpkit.commands.options import OWN, check_columns, options_of_dataclass, read_renames
from nlpkit.errors import SettingError
from nlpkit.plugins.options import Count, Range, Share, Size
from tests.outcomes import one_sentence


@dataclass(frozen=True)
class Told:
    """What a command is told.

    :param top: How many,
        on two lines.
    :param all_words: All.
    """

    top: Size = field(default=10, metadata={"short": "-k"})
    seed: int = 0
    beam: Annotated[int, Range(1, 1000)] | None = None
    skip: Count = 50
    share: Share = 0.5
    kind: Literal["one", "two"] = "one"
    all_words: bool = False
    lexicon: Path | None = None
    pattern: str | None = None


def say(*arguments):
    """What a command with such options hears, or what click says."""
    heard = {}
    names, params = options_of_dataclass(Told)
    command = click.Command("told", params=params, callback=lambda **said: heard.update(said))
    done = CliRunner().invoke(command, list(arguments))
    assert names == list(Told.__dataclass_fields__)
    told = {name.removeprefix(OWN): value for name, value in heard.items()}
    return (Told(**told) if told else None), done


def test_without_a_word_all_are_the_defaults():
    assert say()[0] == Told()


def test_each_field_is_an_option_of_its_type():
    heard, _ = say("--top", "3", "--beam", "9", "--share", "0.25", "--kind", "two", "--all-words", "--lexicon", "a.txt")
    assert heard == Told(top=3, beam=9, share=0.25, kind="two", all_words=True, lexicon=Path("a.txt"))
    assert say("-k", "4", "--seed", "-1", "--pattern", "好")[0] == Told(top=4, seed=-1, pattern="好")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--top", "0"], "0 is not in the range x>=1"),
        (["--top", "1.5"], "'1.5' is not a valid integer"),
        (["--beam", "1001"], "1001 is not in the range 1<=x<=1000"),
        (["--skip", "-1"], "-1 is not in the range x>=0"),
        (["--share", "1"], "1.0 is not in the range 0<=x<1"),
        (["--kind", "three"], "'three' is not one of 'one', 'two'"),
        (["--all_words"], "No such option"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_the_command_line(arguments, sentence):
    heard, done = say(*arguments)
    assert (heard, done.exit_code) == (None, 2)
    assert sentence in done.output


def test_the_docstring_is_the_help():
    shown = say("--help")[1].output
    assert "How many, on two lines.  [default: 10" in " ".join(shown.replace("\n", " ").split()).replace(
        "lines. [", "lines.  ["
    )
    assert "--all-words" in shown


def test_no_options_are_none():
    assert options_of_dataclass(None) == ([], [])


def test_labels_are_renamed():
    assert read_renames(["1=好", "3=", "a=b=c"]) == {"1": "好", "3": "", "a": "b=c"}
    for wrong in ("1", "=好"):
        with pytest.raises(SettingError, match="--label expects FOUND=NAME such as 1=positive, found "):
            read_renames([wrong])


WORDS = {
    "score": ["sentiment", "score", "{}", "-c", "丙"],
    "fill": ["cloze", "--file", "{}", "-c", "丙"],
    "text": ["generate", "--file", "{}", "-c", "丙"],
    "evaluate": ["sentiment", "evaluate", "{}", "--label-column", "丙"],
    "evaluate by": ["cloze", "evaluate", "{}", "--by", "丙"],
    "compare": ["sentiment", "compare", "{}", "-m", "somewhere", "--by", "丙"],
}


@pytest.mark.parametrize("name", WORDS)
def test_a_wrong_column_is_told_before_anything_is_loaded(run, write, name):
    table = write("甲,乙\n好,1\n".encode(), "a.csv")
    words = [word.format(table) for word in WORDS[name]]
    assert f"{table} has no column '丙'; there is: 甲, 乙" in one_sentence(run(*words, "-m", "nowhere"), 1)


@pytest.mark.train
def test_a_wrong_column_is_told_before_a_model_to_go_on_from_is_opened(run, write, tmp_path):
    table = write("甲,乙\n好,1\n".encode(), "a.csv")
    words = ["sentiment", "train", table, "-o", tmp_path / "m", "--from", "nowhere"]
    assert "has no column '丙'" in one_sentence(run(*words, "--label-columns", "乙,丙"), 1)
    assert "no model 'nowhere'" in one_sentence(run(*words, "-c", "甲", "--label-column", "乙"), 1)


def test_a_pipe_is_not_read_for_its_columns(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    check_columns([str(tmp_path / "pipe.csv"), "positive=" + str(tmp_path / "no.csv"), "waimai_10k"], {"column": "甲"})
