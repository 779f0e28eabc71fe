"""What every verb reads and writes, whatever its task."""

import json
import os
import subprocess

import pytest

from tests.outcomes import csv_rows, json_rows, on_a_terminal, one_sentence

VERBS = {"sentiment": "score", "cloze": "fill"}
TEXTS = {"sentiment": ["好货", "", "差"], "cloze": ["质量__，值得推荐", "", "发货__"]}
ANSWERS = {
    "sentiment": ["label", "probability", "probabilities", "reason", "warning"],
    "cloze": ["fillings", "reason"],
}
CELLS = {
    "sentiment": ["label", "probability", "reason", "warning"],
    "cloze": ["words", "probability", "filled", "reason"],
}
DONE = {"sentiment": "scored", "cloze": "filled"}
pytestmark = pytest.mark.parametrize("task", VERBS)


@pytest.fixture
def command(task, models):
    return [task, VERBS[task], "--model", models[task]]


@pytest.fixture
def answer(run, command):
    def answer_by_the_tiny_model(*arguments, **options):
        return run(*command, *arguments, **options)

    return answer_by_the_tiny_model


@pytest.fixture
def table(task, write):
    rows = "".join(f'{number},"{text}"\n' for number, text in enumerate(TEXTS[task]))
    return write(f"id,评价\n{rows}".encode("gb18030"), "a.csv")


def test_lines_of_a_file_and_of_stdin_become_json(task, answer, write):
    lines = "\n".join(TEXTS[task]).encode()
    path = write(lines)
    for name, done in (
        (str(path), answer("--file", path)),
        ("-", answer("--file", "-", stdin=lines)),
        ("-", answer(stdin=lines)),
    ):
        rows = json_rows(done.stdout)
        assert done.returncode == 0
        assert [list(row) for row in rows] == [["file", "row", "text", *ANSWERS[task]]] * 3
        assert [(row["file"], row["row"], row["text"]) for row in rows] == [
            (name, number, text) for number, text in enumerate(TEXTS[task], 1)
        ]
        assert [row["reason"] for row in rows] == [None, "empty", None]
        assert done.stderr.decode() == f"1 of 3 rows could not be {DONE[task]}: 1 empty\n"


def test_texts_of_the_command_line(task, answer):
    first, _, last = TEXTS[task]
    rows = json_rows(answer("--text", first, "-t", last).stdout)
    assert [(row["row"], row["text"], row["reason"]) for row in rows] == [(1, first, None), (2, last, None)]


@pytest.mark.parametrize(("kind", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_lines_become_a_table_if_that_is_said(task, answer, write, kind, delimiter):
    done = answer("--file", write("\n".join(TEXTS[task]).encode()), "--format", kind)
    rows = csv_rows(done.stdout, delimiter)
    assert list(rows[0]) == ["file", "row", "text", *CELLS[task]]
    assert [row["text"] for row in rows] == TEXTS[task]
    assert [row["reason"] for row in rows] == ["", "empty", ""]
    assert [bool(row["probability"]) for row in rows] == [True, False, True]


def test_a_table_stays_one_with_its_columns_first(task, answer, table):
    done = answer("--file", table, "--column", "评价")
    rows = csv_rows(done.stdout)
    assert list(rows[0]) == ["id", "评价", *CELLS[task]]
    assert [row["评价"] for row in rows] == TEXTS[task]
    found = json_rows(answer("--file", table, "-c", "评价", "-f", "jsonl").stdout)
    assert list(found[0]) == ["file", "row", "text", "id", "评价", *ANSWERS[task]]


def test_objects_keep_their_fields(task, answer, write):
    lines = "".join(f'{{"n": 1.50, "said": {json.dumps(text)}}}\n' for text in TEXTS[task])
    done = answer("--file", write(lines.encode(), "a.jsonl"), "-c", "said")
    assert [list(row) for row in json_rows(done.stdout)] == [["n", "said", *ANSWERS[task]]] * 3
    assert done.stdout.startswith(b'{"n": 1.50, "said": ')


def test_what_is_for_eyes_has_each_text_and_a_terminal_gets_it(
    task, answer, write, command, nlpkit_command, clean_environment
):
    shown = answer("--file", write("\n".join(TEXTS[task]).encode()), "-f", "table").stdout.decode()
    assert "(empty)" in shown
    assert [text for text in TEXTS[task] if text in shown] == TEXTS[task]
    if os.name != "nt":
        text = TEXTS[task][0]
        seen = on_a_terminal([nlpkit_command, *command, "-t", text], clean_environment).decode()
        assert text in seen
        assert not seen.startswith("{")


def test_a_missing_column_says_which_there_are(task, answer, table):  # noqa: ARG001
    assert "id, 评价" in one_sentence(answer("--file", table, "--column", "nowhere"), 1)


def test_strict_exits_with_one_but_answers_every_row(task, answer, write):
    path = write("\n".join(TEXTS[task]).encode())
    done = answer("--file", path, "--strict")
    assert done.returncode == 1
    assert len(json_rows(done.stdout)) == 3


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.jsonl", "o.ndjson"])
def test_the_name_of_the_output_says_its_format(task, answer, tmp_path, name):
    done = answer("-t", TEXTS[task][0], "-o", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode().startswith("1 row")
    assert done.stderr.decode().endswith(f"; saved in {tmp_path / name}\n")
    written = (tmp_path / name).read_bytes()
    starts = {"o.csv": b"file,row", "o.tsv": b"file\trow"}
    assert written.startswith(starts.get(name, b'{"file"'))


def test_an_output_is_replaced_only_by_force(task, answer, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"precious")
    one_sentence(answer("-t", TEXTS[task][0], "-o", out), 1)
    assert out.read_bytes() == b"precious"
    done = answer("-t", TEXTS[task][0], "-o", out, "--force")
    assert done.returncode == 0
    assert f"replaced {out}, 8 bytes of 20" in done.stderr.decode()
    assert json_rows(out.read_bytes())[0]["text"] == TEXTS[task][0]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_file_that_cannot_be_read_leaves_no_output(task, answer, write, tmp_path):
    good, out = write(TEXTS[task][0].encode()), tmp_path / "out.jsonl"
    assert "none.txt" in one_sentence(answer("--file", good, "--file", tmp_path / "none.txt", "-o", out), 1)
    assert not out.exists()
    assert "is empty" in one_sentence(answer(), 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--text", "好", "--file", "a.txt"], "not both"),
        (["--text", "好", "--column", "评价"], "are those of a file"),
        (["--text", "好", "--encoding", "big5"], "are those of a file"),
        (["--file", "-", "--file", "-"], "read once"),
        (["--format", "xml"], "--format"),
        (["--nothing"], "--nothing"),
    ],
)
def test_a_wrong_command_line_exits_with_two(task, answer, arguments, sentence):  # noqa: ARG001
    done = answer(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert sentence in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_an_output_is_not_named_as_what_it_is_not(task, answer, tmp_path):
    assert "would hold no xls:" in one_sentence(answer("-t", TEXTS[task][0], "-o", tmp_path / "a.xls"), 2)


def test_thousands_of_rows_stay_in_order(task, answer):
    lines = TEXTS[task] * 800
    rows = json_rows(answer(stdin="\n".join(lines).encode()).stdout)
    assert [(row["row"], row["text"]) for row in rows] == list(enumerate(lines, 1))


def test_rows_of_a_pipe_come_before_it_ends(task, command, nlpkit_command, clean_environment):
    words = [nlpkit_command, *map(str, command), "-f", "jsonl"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment) as child:
        for text in TEXTS[task]:
            child.stdin.write(f"{text}\n".encode())
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["text"] == text
        child.stdin.close()
        assert child.stdout.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise there")
@pytest.mark.parametrize("kind", ["jsonl", "csv", "table"])
def test_a_closed_pipe_ends_in_silence(task, command, nlpkit_command, clean_environment, write, kind):
    path = write(f"{TEXTS[task][0]}\n".encode() * 20_000)
    words = [nlpkit_command, *map(str, command), "--file", str(path), "-f", kind]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment) as child:
        assert child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0
