import os

import pytest

from nlpkit.model.bundle import save
from tests.outcomes import csv_rows, json_rows, on_a_terminal, one_sentence
from tests.tasks.cloze.tiny import counted_files

LINES = ["衣服质量__，值得推荐", "", "没有空", "__", "發貨__，質量＿＿", "__ x", "__很" * 9]
REASONS = [
    None,
    "empty",
    "no blank",
    "nothing but a blank",
    None,
    "no known word around the blank",
    "too many blanks: 9, 8 are the most",
]


@pytest.fixture(scope="session")
def tiny_cloze(tmp_path_factory):
    """The folder of a model that has read six sentences."""
    folder = tmp_path_factory.mktemp("models") / "tiny-cloze"
    save(folder, counted_files())
    return folder


@pytest.fixture
def fill(run, tiny_cloze):
    def fill_tiny(*arguments, **options):
        return run("cloze", *arguments, "--model", tiny_cloze, **options)

    return fill_tiny


def words(done):
    """The words of the one text that was filled."""
    (row,) = json_rows(done.stdout)
    return [" ".join(filling["words"]) for filling in row["fillings"]]


@pytest.mark.parametrize("command", [[], ["fill"]])
def test_a_text_is_filled_with_or_without_the_name_of_the_command(fill, command):
    done = fill(*command, "衣服质量__，值得推荐", "--top", 3)
    (row,) = json_rows(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(row) == ["file", "row", "text", "fillings", "reason"]
    assert (row["file"], row["row"], row["reason"]) == ("TEXT", 1, None)
    assert len(row["fillings"]) == 3
    first = row["fillings"][0]
    assert list(first) == ["words", "score", "probability", "text"]
    assert (first["words"], first["text"]) == (["好"], "衣服质量好，值得推荐")


def test_options_may_come_first(run, tiny_cloze):
    assert words(run("cloze", "-k", 1, "-m", tiny_cloze, "衣服质量__，值得推荐")) == ["好"]
    assert words(run("cloze", "-m", tiny_cloze, "-k", 1, "--", "--质量__，值得推荐")) == ["好"]


def test_each_line_is_a_row_in_its_order(fill):
    done = fill(stdin="\n".join(LINES).encode())
    rows = json_rows(done.stdout)
    assert done.returncode == 0
    assert [row["text"] for row in rows] == LINES
    assert [row["reason"] for row in rows] == REASONS
    assert [row["row"] for row in rows] == list(range(1, len(LINES) + 1))
    assert {row["file"] for row in rows} == {"-"}
    assert all(bool(row["fillings"]) == (row["reason"] is None) for row in rows)
    assert rows[4]["fillings"][0]["text"] == "發貨很快，質量不错"
    assert done.stderr.decode().startswith("5 of 7 rows could not be filled: ")
    assert done.stderr.count(b"\n") == 1


def test_files_of_lines_and_of_columns(fill, write):
    text, table = write("质量__，值得推荐\n".encode()), write("id,评价\n1,发货__\n2,\n".encode("gb18030"), "a.csv")
    rows = json_rows(fill("--file", text, "--file", table, "-k", 1).stdout)
    assert [(row["file"], row["row"], row["text"]) for row in rows] == [
        (str(text), 1, "质量__，值得推荐"),
        (str(table), 1, "发货__"),
        (str(table), 2, ""),
    ]
    assert [row["reason"] for row in rows] == [None, None, "empty"]
    assert "编号" in one_sentence(fill("--file", table, "--column", "编号"), 1)


def test_several_texts_may_have_faults(fill):
    done = fill("衣服质量__，值得推荐", "没有空", "-k", 1)
    assert [row["reason"] for row in json_rows(done.stdout)] == [None, "no blank"]
    assert done.stderr.decode() == "1 of 2 rows could not be filled: 1 no blank\n"
    assert fill("衣服质量__，值得推荐", "没有空", "--strict").returncode == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("没有空", 'there is no blank in "没有空": mark it by two underscores, as in 衣服质量__哦'),
        ("很[MASK]好", 'no blank in "很[MASK]好": write __ for [MASK], one blank for each word that is missing, as in'),
        ("", 'there is no blank in "": mark it by two underscores'),
        ("__", '"__" cannot be filled: nothing but a blank'),
        ("zz __", '"zz __" cannot be filled: no known word around the blank'),
        ("\x1b[31m", 'there is no blank in "�[31m"'),
        ("__很" * 9, "too many blanks: 9, 8 are the most"),
        ("-", "to read a file, say --file -"),
    ],
)
def test_a_fault_of_the_one_text_is_one_sentence(fill, text, sentence):
    assert sentence in one_sentence(fill("fill", text), 1)


def test_a_file_given_as_a_text_is_told(fill, write):
    path = write(b"x\n")
    assert f"to read a file, say --file {path}" in one_sentence(fill(path), 1)


def test_what_restricts_the_words(fill, write):
    text = "衣服质量__，值得推荐"
    every = words(fill(text, "-k", 99))
    assert words(fill(text, "--length", 1)) == [word for word in every if len(word) == 1]
    assert words(fill(text, "--pattern", "很.")) == [word for word in every if word.startswith("很") and len(word) == 2]
    done = fill(text, "--lexicon", write("不错\n聞所未聞\n很好\n好\n".encode()))
    assert words(done) == ["好", "不错"]
    assert "Warning: 2 of 4 words of " in done.stderr.decode()
    assert "unknown to the model: 聞所未聞, 很好" in done.stderr.decode()


def test_where_no_word_fits_it_says_so(fill):
    assert "none has 9 characters" in one_sentence(fill("质量__", "--length", 9), 1)
    (row,) = json_rows(fill("--length", 9, stdin="质量__\n".encode()).stdout)
    assert row["reason"].startswith("no word fits: ")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["质量__", "--pattern", "("], "no regular expression"),
        (["质量__", "--top", "0"], "--top"),
        (["质量__", "--file", "a.txt"], "not both"),
        (["--file", "-", "--file", "-"], "read once"),
        (["质量__", "--format", "ods"], "--format"),
        (["质量__", "-o", "a.ods"], "would hold no ods"),
        (["evalute", "a.jsonl"], "did you mean 'evaluate'"),
    ],
)
def test_a_wrong_command_line_exits_with_two(fill, arguments, found):
    done = fill(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert found in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_tables_show_a_line_a_filling(fill):
    lines = fill("衣服质量__，值得推荐", "-k", 3, "-f", "table").stdout.decode().splitlines()
    assert lines[0] == "衣服质量__，值得推荐"
    assert [line.split()[:2] for line in lines[1:4]] == [["1", "好"], ["2", "很"], ["3", "购买"]]
    assert "30.0%  ██████" in lines[1]
    several = fill("发货__，质量__", "没有", "-k", 2, "-f", "table").stdout.decode().splitlines()
    assert several[1].split() == ["1", "很快", "不错", "2.7%", "发货很快，质量不错"]
    assert several[4:6] == ["没有", "  (no blank)"]


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_a_terminal_gets_a_table(nlpkit_command, clean_environment, tiny_cloze):
    command = [nlpkit_command, "cloze", "衣服质量__，值得推荐", "-m", str(tiny_cloze)]
    seen = on_a_terminal(command, clean_environment).decode()
    assert seen.splitlines()[1].split()[:2] == ["1", "好"]


def test_the_help_shows_the_commands(run):
    text = run("cloze", "--help").stdout.decode()
    for expected in ('nlpkit cloze "衣服质量__哦"', "fill", "evaluate", "train"):
        assert expected in text


def test_a_table_of_cells_has_the_best_filling(fill, write):
    table = write("id,评价\n1,衣服质量__，值得推荐\n2,没有\n".encode(), "a.csv")
    done = fill("--file", table, "--column", "评价")
    assert csv_rows(done.stdout) == [
        {
            "id": "1",
            "评价": "衣服质量__，值得推荐",
            "words": "好",
            "probability": "0.299542",
            "filled": "衣服质量好，值得推荐",
            "reason": "",
        },
        {"id": "2", "评价": "没有", "words": "", "probability": "", "filled": "", "reason": "no blank"},
    ]
