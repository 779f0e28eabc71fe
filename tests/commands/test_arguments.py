"""What words of the command line mean: texts, files, commands that are called otherwise."""

import pytest

from nlpkit.commands.arguments import is_text, suggest
from tests.outcomes import json_rows, one_sentence


@pytest.mark.parametrize("word", ["质量很好", "质量很好，下次还来", "很好 3.5 分", "质量很好...", "OK的"])
def test_chinese_without_path_and_suffix_is_a_text(word):
    assert is_text(word)


@pytest.mark.parametrize("word", ["", "-", "good", "评论.csv", "评论.备份", "数据/评论", "数据\\评论", "评论.csv "])
def test_anything_else_is_a_file(word):
    assert not is_text(word)


def test_what_is_there_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "评论").mkdir()
    (tmp_path / "断链").symlink_to("没有")
    assert not is_text("评论")
    assert not is_text("断链")
    assert is_text("好" * 5000)  # longer than any file's name


def test_what_a_shell_would_take_for_its_own_is_quoted():
    assert suggest(["a b", "c"], ["很好", "真 不错", ""]) == "; say: a b 很好 '真 不错' '' or: c 很好 '真 不错' ''"
    assert suggest([], ["很好"]) == ""


def test_texts_without_an_option_are_scored_and_that_is_said(run, tiny_model, tmp_path):
    done = run("sentiment", "score", "好货", "很差", "-m", tiny_model, cwd=tmp_path)
    rows = json_rows(done.stdout)
    assert [(row["text"], row["label"]) for row in rows] == [("好货", "positive"), ("很差", "negative")]
    assert done.stderr.decode() == "好货, 很差 are no files, and are taken as texts\n"
    one = run("sentiment", "score", "好货", "-m", tiny_model, cwd=tmp_path)
    assert one.stderr.decode() == "好货 is no file, and is taken as a text\n"


@pytest.mark.parametrize(("words", "code"), [(["评论.csv"], 1), (["评论", "-c", "text"], 1), (["good"], 1)])
def test_a_file_that_is_missing_is_no_text(run, tmp_path, words, code):
    assert "no such file" in one_sentence(run("sentiment", "score", *words, cwd=tmp_path), code)


@pytest.mark.parametrize("words", [["好货", "a.csv"], ["a.csv", "好货"], ["好货", "--file", "a.csv"]])
def test_texts_and_files_do_not_go_together(run, tmp_path, words):
    done = run("sentiment", "score", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--text" in done.stderr.decode().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["sentiment", "好货"], "; say: nlpkit sentiment score 好货"),
        (["sentiment", "真 好", "--explain"], "; say: nlpkit sentiment score '真 好' --explain"),
        (["sentiment", "sore", "好货"], "; did you mean 'score'?"),
        (["score", "好货"], "; say: nlpkit sentiment score 好货"),
        (["fill"], "; say: nlpkit cloze fill"),
        (["fetch", "x"], "; say: nlpkit corpus fetch x"),
        (["evaluate", "x"], " nlpkit cloze evaluate x or: nlpkit generate evaluate x or: nlpkit sentiment evaluate x"),
        (["好货"], "nlpkit cloze 好货 or: nlpkit generate 好货 or: nlpkit sentiment score 好货"),
        (["sentimnt"], "; did you mean 'sentiment'?"),
        (["nothing-like-it"], "No such command 'nothing-like-it'"),
    ],
)
def test_what_is_no_command_says_what_to_type(run, tmp_path, words, advice):
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines()[-1].endswith(advice)


def test_a_file_where_a_command_should_stand(run, write, tmp_path):
    write(b"x\n", "a.txt")
    assert "say: nlpkit sentiment score a.txt" in run("sentiment", "a.txt", cwd=tmp_path).stderr.decode()
