import json
import os
import subprocess

import pytest

from nlpkit.model.bundle import save
from tests.tasks.cloze.tiny import TEXTS, counted_files
from tests.tasks.sentiment.test_score import json_rows, on_a_terminal, one_sentence

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


@pytest.fixture
def evaluate(run, tiny_cloze):
    def evaluate_tiny(*arguments):
        return run("cloze", "evaluate", *arguments, "--model", tiny_cloze)

    return evaluate_tiny


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
    assert (first["words"], first["text"]) == (["不错"], "衣服质量不错，值得推荐")


def test_options_may_come_first(run, tiny_cloze):
    assert words(run("cloze", "-k", 1, "-m", tiny_cloze, "衣服质量__，值得推荐")) == ["不错"]
    assert words(run("cloze", "-m", tiny_cloze, "-k", 1, "--", "--质量__，值得推荐")) == ["不错"]


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


def test_thousands_of_rows(fill):
    lines = [LINES[n % 7] for n in range(4_999)]
    rows = json_rows(fill("-k", 1, stdin="\n".join(lines).encode()).stdout)
    assert [row["text"] for row in rows] == lines
    assert [row["row"] for row in rows] == list(range(1, 5_000))


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


def test_a_dash_is_stdin(fill):
    assert words(fill("--file", "-", "-k", 1, stdin="质量__，值得推荐".encode())) == ["不错"]


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
    assert words(done) == ["不错", "好"]
    assert "2 of 4 words of " in done.stderr.decode()
    assert "unknown to the model: 聞所未聞, 很好" in done.stderr.decode()


def test_where_no_word_fits_it_says_so(fill):
    assert "none has 9 characters" in one_sentence(fill("质量__", "--length", 9), 1)
    (row,) = json_rows(fill("--length", 9, stdin="质量__\n".encode()).stdout)
    assert row["reason"].startswith("no word fits: ")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["质量__", "--pattern", "("], "no regular expression"),
        (["质量__", "--top", "0"], "top must be at least 1"),
        (["质量__", "--file", "a.txt"], "not both"),
        (["--file", "-", "--file", "-"], "read once"),
        (["质量__", "--format", "csv"], "--format"),
        (["质量__", "-o", "a.xlsx"], "name it .jsonl"),
        (["evalute", "a.jsonl"], "did you mean 'evaluate'"),
    ],
)
def test_a_wrong_command_line_exits_with_two(fill, arguments, found):
    done = fill(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert found in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_faults_of_files_are_one_sentence(fill, write, tmp_path):
    good, out = write("质量__\n".encode()), tmp_path / "out.jsonl"
    for arguments in (["--file", tmp_path / "none.txt"], ["--lexicon", tmp_path / "none.txt"]):
        assert "none.txt cannot be read" in one_sentence(fill("--file", good, *arguments, "-o", out), 1)
        assert not out.exists()
    assert "is empty" in one_sentence(fill(), 1)


def test_an_output_is_replaced_only_by_force(fill, tmp_path):
    out = tmp_path / "out.jsonl"
    assert fill("质量__", "-o", out).stdout == b""
    before = out.read_bytes()
    assert json_rows(before)
    one_sentence(fill("质量__，", "-o", out), 1)
    assert out.read_bytes() == before
    assert fill("质量__，", "-o", out, "--force").returncode == 0
    assert json_rows(out.read_bytes())[0]["text"] == "质量__，"
    one_sentence(fill("没有", "-o", out, "--force"), 1)
    assert {file.name for file in tmp_path.iterdir()} == {"out.jsonl"}


def test_tables_show_a_line_a_filling(fill):
    lines = fill("衣服质量__，值得推荐", "-k", 3, "-f", "table").stdout.decode().splitlines()
    assert lines[0] == "衣服质量__，值得推荐"
    assert [line.split()[:2] for line in lines[1:4]] == [["1", "不错"], ["2", "很差"], ["3", "很快"]]
    assert "65.8%  █████████████" in lines[1]
    several = fill("发货__，质量__", "没有", "-k", 2, "-f", "table").stdout.decode().splitlines()
    assert several[1].split() == ["1", "很快", "不错", "53.4%", "发货很快，质量不错"]
    assert several[4:6] == ["没有", "  (no blank)"]


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_a_terminal_gets_a_table(nlpkit_command, clean_environment, tiny_cloze):
    command = [nlpkit_command, "cloze", "衣服质量__，值得推荐", "-m", str(tiny_cloze)]
    seen = on_a_terminal(command, clean_environment).decode()
    assert seen.splitlines()[1].split()[:2] == ["1", "不错"]


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise there")
@pytest.mark.parametrize("kind", ["jsonl", "table"])
def test_a_closed_pipe_ends_in_silence(nlpkit_command, clean_environment, tiny_cloze, write, kind):
    path = write("质量__，值得推荐\n".encode() * 20_000)
    command = [nlpkit_command, "cloze", "--file", str(path), "-m", str(tiny_cloze), "-f", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment) as child:
        assert child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_rows_of_a_pipe_come_before_it_ends(nlpkit_command, clean_environment, tiny_cloze):
    command = [nlpkit_command, "cloze", "-m", str(tiny_cloze)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment) as child:
        for text in ("质量__\n", "没有\n"):
            child.stdin.write(text.encode())
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["text"] == text.strip()
        child.stdin.close()
        assert child.stdout.read() == b""


def test_the_help_shows_the_commands(run):
    text = run("cloze", "--help").stdout.decode()
    for expected in ('nlpkit cloze "衣服质量__哦"', "fill", "evaluate"):
        assert expected in text


def test_each_task_refuses_models_of_the_other(run, tiny_cloze, tiny_model):
    assert "use it with nlpkit cloze" in one_sentence(run("sentiment", "score", "-t", "好", "-m", tiny_cloze), 1)
    assert "use it with nlpkit sentiment" in one_sentence(run("cloze", "质量__", "-m", tiny_model), 1)
    assert "use it with nlpkit sentiment" in one_sentence(run("cloze", "evaluate", "x", "-m", tiny_model), 1)


ITEMS = [
    ("衣服质量__，值得推荐", "不错"),
    ("发货__，质量不错", "很快"),
    ("发货__，质量不错", "神速"),
    ("两__个__", "x"),
]


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "items.jsonl"
    lines = [json.dumps({"text": text, "answer": answer}) for text, answer in ITEMS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_figures_of_items(evaluate, items):
    done = evaluate(items, "--format", "json")
    found = json.loads(done.stdout)
    assert (found["items"], found["unknown"], found["candidates"]) == (3, 1, 15)
    assert (found["top1"], found["mrr10"], found["bits"]) == (66.67, 0.6667, None)
    assert "1 rows were left out: 1 several blanks" in done.stderr.decode()
    assert json.loads(evaluate(items, "--format", "json", "--limit", 2).stdout)["items"] == 2


def test_figures_among_the_words_of_a_lexicon(evaluate, items, tmp_path):
    lexicon = tmp_path / "words.json"
    lexicon.write_text(json.dumps(["神速", "不错", "购买"]), encoding="utf-8")
    found = json.loads(evaluate(items, "--format", "json", "--lexicon", lexicon).stdout)
    assert (found["items"], found["unknown"], found["candidates"]) == (3, 2, 2)


@pytest.mark.parametrize("shape", ["reviews.txt", "reviews.csv", "reviews.jsonl"])
def test_figures_of_a_corpus_whose_words_are_blanked(evaluate, tmp_path, shape):
    path = tmp_path / shape
    header = "text,label\n" if shape.endswith(".csv") else ""
    rows = [json.dumps({"text": text, "label": "x"}) if shape.endswith(".jsonl") else text for text in TEXTS]
    rows = [f'"{row}",x' if header else row for row in rows]
    path.write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    found = json.loads(evaluate(path, "--format", "json", "--skip-frequent", 1, "--min-words", 4).stdout)
    assert found["items"] == 6
    assert found["top1"] > 50  # a guess is right in 7 of 100


def test_every_word_of_a_corpus(evaluate, write):
    path = write("\n".join(TEXTS).encode())
    done = evaluate(path, "--format", "json", "--skip-frequent", 1, "--min-words", 4, "--all", "--seed", 3)
    assert json.loads(done.stdout)["items"] > 20


def test_figures_as_a_table(evaluate, items):
    out = evaluate(items).stdout.decode()
    for expected in ("items.jsonl", "top-1", "MRR@10", "66.7"):
        assert expected in out


def test_a_corpus_without_words_to_blank_is_one_sentence(evaluate, tmp_path, items):
    path = tmp_path / "short.txt"
    path.write_text("好\n很好\n", encoding="utf-8")
    assert "--min-words" in one_sentence(evaluate(path), 1)
    assert "there is no file" in one_sentence(evaluate(tmp_path / "none.jsonl"), 1)
    items.write_text(items.read_text(encoding="utf-8").splitlines()[-1], encoding="utf-8")
    assert evaluate(items).returncode == 1
