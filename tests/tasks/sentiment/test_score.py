import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import threading

import pytest

from tests import terminals
from tests.workbooks import workbook

KEYS = ["file", "row", "text", "label", "probability", "probabilities", "reason", "warning"]
LINES = ["好货", "", "差", "👍", "慢，差", "貨好 货好", '引号"和,逗号', "棒\0棒"]
LABELS = ["positive", None, "negative", None, "negative", "positive", None, "positive"]


@pytest.fixture
def write(tmp_path):
    def write_text(text, name="reviews.txt", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write_text


@pytest.fixture
def score(run, tiny_model):
    def score_tiny(*arguments, **options):
        return run("sentiment", "score", "--model", tiny_model, *arguments, **options)

    return score_tiny


def json_rows(output: bytes):
    return [json.loads(line) for line in output.decode().splitlines()]


def csv_rows(output: bytes, delimiter=","):
    return list(csv.DictReader(io.StringIO(output.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def one_sentence(done, code):
    """An error as promised: its exit code, one line on stderr, nothing on stdout."""
    assert done.returncode == code
    assert done.stdout == b""
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.count(b"\n") == 1
    return done.stderr.decode()


def test_jsonl_has_a_row_for_each_line(score, write):
    path = write("\n".join(LINES) + "\n")
    done = score(path, "--format", "jsonl")
    rows = json_rows(done.stdout)
    assert done.returncode == 0
    assert all(list(row) == KEYS for row in rows)
    assert [row["text"] for row in rows] == LINES
    assert [row["label"] for row in rows] == LABELS
    assert [row["row"] for row in rows] == list(range(1, len(LINES) + 1))
    assert {row["file"] for row in rows} == {str(path)}
    for row in rows:
        assert (row["label"] is None) == (row["probability"] is None) == (row["probabilities"] is None)
        assert (row["label"] is None) == (row["reason"] is not None)
        if row["label"]:
            assert row["probabilities"][row["label"]] == row["probability"]
    zeros, unscored = done.stderr.decode().splitlines()
    assert zeros == f"Warning: {path} has zero bytes in its text: line 8"
    assert unscored.startswith("3 of 8 rows could not be scored: ")


@pytest.mark.parametrize(("kind", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_delimited_has_a_row_for_each_line(score, write, kind, delimiter):
    rows = csv_rows(score(write("\n".join(LINES)), "--format", kind).stdout, delimiter)
    assert list(rows[0]) == ["file", "row", "text", "label", "probability", "reason", "warning"]
    assert [row["text"] for row in rows] == LINES
    assert [row["label"] or None for row in rows] == LABELS
    assert all(bool(row["label"]) != bool(row["reason"]) for row in rows)


def test_a_table_has_a_line_for_each_line(score, write):
    lines = score(write("\n".join(LINES)), "--format", "table").stdout.decode().splitlines()
    assert len(lines) == len(LINES)
    assert [line.split()[0] for line in lines] == [label or "-" for label in LABELS]
    assert "(empty)" in lines[1]


def test_lines_become_jsonl_and_tables_csv_unless_said(score, write):
    assert json_rows(score(write("好")).stdout)[0]["label"] == "positive"
    assert csv_rows(score(write("text\n好\n", "a.csv")).stdout)[0]["label"] == "positive"
    assert json_rows(score(write("text\n好\n", "a.csv"), "-f", "jsonl").stdout)[0]["text"] == "好"


def test_a_table_keeps_its_columns_first(score, write):
    text = 'id,评价,label\n1,"好，\n棒",x\n2,差,y\n3,,z\n'
    rows = csv_rows(score(write(text, "a.csv"), "--column", "评价").stdout)
    assert list(rows[0]) == ["id", "评价", "label", "predicted_label", "probability", "reason", "warning"]
    assert [list(row.values())[:3] for row in rows] == [["1", "好，\n棒", "x"], ["2", "差", "y"], ["3", "", "z"]]
    assert [row["predicted_label"] for row in rows] == ["positive", "negative", ""]
    assert rows[2]["reason"] == "empty"


def test_a_byte_order_mark_goes_out_where_one_came_in(score, write):
    done = score(write("text,n\r\n好,1\r\n", "a.csv", "utf-8-sig"))
    assert done.stdout.startswith(b"\xef\xbb\xbftext,n,label,")
    assert done.stdout.count(b"\xef\xbb\xbf") == 1
    assert not score(write("text,n\n好,1\n", "b.csv")).stdout.startswith(b"\xef\xbb\xbf")


def test_one_file_twice_has_one_header_and_one_mark(score, write):
    path = write("text,n\n好,1\n", "a.csv", "utf-8-sig")
    done = score(path, path)
    assert done.stdout.count(b"\xef\xbb\xbf") == 1
    assert [row["label"] for row in csv_rows(done.stdout)] == ["positive", "positive"]


def test_a_table_of_no_rows_gives_its_header(score, write):
    done = score(write("id,text\n", "a.csv"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == ["id,text,label,probability,reason,warning"]


def test_a_ragged_table_keeps_labels_in_their_column(score, write):
    rows = csv_rows(score(write("id,text,n\n1\n2,好\n3,差,1,2,3\n4,棒,1\n", "a.csv")).stdout)
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["label"] for row in rows] == ["", "positive", "", "positive"]
    assert [bool(row["reason"]) for row in rows] == [True, False, True, False]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_every_encoding_gives_the_same_rows(score, write, encoding):
    done = score(write("好货\r\n差\r\n还行\r\n", encoding=encoding))
    assert [row["text"] for row in json_rows(done.stdout)] == ["好货", "差", "还行"]


def test_bad_bytes_are_a_row(score, write):
    done = score(write("好\n".encode() + b"\xff\xfe\xfd\n" + "差\n棒\n".encode()))
    rows = json_rows(done.stdout)
    assert [row["label"] for row in rows] == ["positive", None, "negative", "positive"]
    assert rows[1]["reason"] == "undecodable bytes"
    assert done.returncode == 0


def test_several_files_in_their_order(score, write):
    paths = [write("好\n差\n", "a.txt"), write("棒\n", "b.txt")]
    rows = json_rows(score(*paths).stdout)
    assert [(row["file"], row["row"]) for row in rows] == [(str(paths[0]), 1), (str(paths[0]), 2), (str(paths[1]), 1)]


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_stdin(score, arguments):
    done = score(*arguments, stdin="好\n差\n".encode())
    assert [(row["file"], row["label"]) for row in json_rows(done.stdout)] == [("-", "positive"), ("-", "negative")]
    assert done.stderr == b""


def test_texts_of_the_command_line(score):
    done = score("--text", "好", "-t", "差", "-t", "")
    assert [row["label"] for row in json_rows(done.stdout)] == ["positive", "negative", None]


@pytest.mark.skipif(os.name == "nt", reason="bytes on the command line are POSIX")
def test_a_text_of_bad_bytes_is_a_row(score):
    done = score("--text", b"\xff\xfe", "--text", "好")
    assert done.returncode == 0
    assert [row["label"] for row in json_rows(done.stdout)] == [None, "positive"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_whose_name_is_no_text_is_read(score, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.txt"
    with open(name, "wb") as file:  # noqa: PTH123 - a path of bytes
        file.write("好\n".encode())
    done = score(name)
    assert done.returncode == 0
    assert json_rows(done.stdout)[0]["label"] == "positive"


def test_the_samples_give_a_row_each(run, samples):
    done = run("sentiment", "score", samples / "reviews.txt")
    lines = (samples / "reviews.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert [row["text"] for row in json_rows(done.stdout)] == lines
    labelled = csv_rows(run("sentiment", "score", samples / "labelled.csv").stdout)
    assert len(labelled) == 300
    answers = ["predicted_label", "probability", "reason", "warning"]
    assert list(labelled[0]) == ["id", "category", "review", "label", *answers]


def test_all_is_quiet_where_all_is_well(score, write):
    assert score(write("好\n差\n")).stderr == b""


def test_strict_exits_with_one_but_prints_every_row(score, write, tmp_path):
    path = write("好\n\n差\n")
    done = score(path, "--strict")
    assert done.returncode == 1
    assert len(json_rows(done.stdout)) == 3
    assert score(path, "--strict", "-o", tmp_path / "o.jsonl").returncode == 1
    assert len(json_rows((tmp_path / "o.jsonl").read_bytes())) == 3
    assert score(write("好\n"), "--strict").returncode == 0


@pytest.mark.parametrize(("name", "first"), [("o.csv", b"file,row"), ("o.tsv", b"file\trow"), ("o.jsonl", b'{"file"')])
def test_the_name_of_the_output_says_its_format(score, write, tmp_path, name, first):
    done = score(write("好\n"), "-o", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"1 row: 1 positive; saved in {tmp_path / name}\n"
    assert (tmp_path / name).read_bytes().startswith(first)


def test_an_output_is_replaced_only_by_force(score, write, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"precious")
    one_sentence(score(write("好\n"), "-o", out), 1)
    assert out.read_bytes() == b"precious"
    assert score(write("好\n"), "-o", out, "--force").returncode == 0
    assert json_rows(out.read_bytes())[0]["label"] == "positive"
    assert {f.name for f in tmp_path.iterdir()} == {"out.jsonl", "reviews.txt"}


def test_a_failing_run_leaves_no_output(score, write, tmp_path):
    out = tmp_path / "out.csv"
    one_sentence(score(write("a,b\n1,2\n", "a.csv"), "--column", "c", "-o", out), 1)
    one_sentence(score(write("好\n"), "-o", tmp_path / "nowhere" / "out.csv"), 1)
    assert {f.name for f in tmp_path.iterdir()} == {"a.csv", "reviews.txt"}


FAULTS = {
    "missing.txt": (None, "no such file"),
    "empty.txt": (b"", "is empty"),
    "binary.txt": (bytes(range(256)) * 9, "is binary"),
    "book.xlsx": (b"PK\x03\x04" + bytes(30), "save it as CSV"),
    "a.pdf": (b"%PDF-1.4 ...", "a PDF"),
    "bytes.txt": (b"\xff\x80\xff\n" * 20, "--encoding"),
    "columns.csv": (b"alpha,beta\n1,2\n", "alpha, beta"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_file_is_one_sentence(score, write, tmp_path, name):
    data, reason = FAULTS[name]
    path = tmp_path / name if data is None else write(data, name)
    sentence = one_sentence(score(path), 1)
    assert str(path) in sentence
    assert reason in sentence


def test_a_missing_column_says_which_there_are(score, write):
    sentence = one_sentence(score(write("编号,评价\n1,好\n", "a.csv"), "--column", "评论"), 1)
    assert "评论" in sentence
    assert "编号, 评价" in sentence


def test_a_folder_for_a_file(score, tmp_path):
    assert "is a directory" in one_sentence(score(tmp_path), 1)


def test_empty_stdin(score):
    assert "is empty" in one_sentence(score(), 1)


def test_a_folder_that_is_no_model(run, tmp_path):
    assert "is no model" in one_sentence(run("sentiment", "score", "-t", "好", "-m", tmp_path), 1)


def test_an_unknown_model_names_those_there_are(run):
    done = run("sentiment", "score", "-t", "好", "-m", "review")
    assert "reviews" in one_sentence(done, 1)


@pytest.mark.parametrize("encoding", ["klingon", "base64"])
def test_an_unknown_encoding(score, write, encoding):
    assert encoding in one_sentence(score(write("好\n"), "--encoding", encoding), 2)


@pytest.mark.parametrize(
    "arguments",
    [["--format", "xml"], ["--nothing"], ["--text", "好", "file.txt"], ["-", "-"]],
)
def test_a_wrong_command_line_exits_with_two(score, arguments):
    done = score(*arguments)
    assert done.returncode == 2
    assert b"Error: " in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_megabyte_line_and_nul_bytes(score, write):
    done = score(write("好" * 350_000 + "\n好\0\n" + "差\n"))
    assert done.returncode == 0
    assert [row["label"] for row in json_rows(done.stdout)] == ["positive", "positive", "negative"]


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise there")
@pytest.mark.parametrize("kind", ["jsonl", "csv", "table"])
def test_a_closed_pipe_ends_in_silence(nlpkit_command, clean_environment, tiny_model, write, kind):
    path = write("好货很快\n" * 20_000)
    command = [nlpkit_command, "sentiment", "score", str(path), "-m", str(tiny_model), "-f", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment) as child:
        assert child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_rows_of_a_pipe_come_before_it_ends(nlpkit_command, clean_environment, tiny_model):
    command = [nlpkit_command, "sentiment", "score", "-m", str(tiny_model), "-f", "jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment) as child:
        for text in ("好\n", "差\n"):
            child.stdin.write(text.encode())
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["text"] == text.strip()
        child.stdin.close()
        assert child.stdout.read() == b""


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss differs elsewhere")
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_memory_does_not_grow_with_the_rows(nlpkit_command, clean_environment, tiny_model, write, kind):
    peaks = []
    for rows in (10_000, 80_000):
        path = write("text\n" + ("好货很快" * 10 + "\n") * rows, f"{rows}.csv")
        command = [nlpkit_command, "sentiment", "score", str(path), "-m", str(tiny_model), "-f", kind]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *command], capture_output=True, env=clean_environment, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0]  # its scores alone, if they were kept, are more than the whole of it


def test_a_full_disk_is_one_sentence(nlpkit_command, clean_environment, tiny_model, write):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full")
    path = write("好\n" * 5000)
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [nlpkit_command, "sentiment", "score", str(path), "-m", str(tiny_model)],
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.count(b"\n") == 1


def test_a_dash_is_stdout(score, write, tmp_path):
    path = write("好\n")
    done = score(path, "-o", "-", cwd=tmp_path)
    assert json_rows(done.stdout)[0]["label"] == "positive"
    assert [f.name for f in tmp_path.iterdir()] == ["reviews.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_is_written_into(score, write, tmp_path):
    fifo, found = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: found.append(fifo.read_bytes()), daemon=True)
    reader.start()
    done = score(write("好\n差\n"), "-o", fifo)
    reader.join(10)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [row["label"] for row in json_rows(*found)] == ["positive", "negative"]
    assert fifo.is_fifo()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_is_read_once_and_whole(score, tmp_path):
    fifo, count = tmp_path / "fifo", 30_000
    os.mkfifo(fifo)

    def feed():
        with contextlib.suppress(BrokenPipeError):
            fifo.write_bytes("好用\n".encode() * count)

    threading.Thread(target=feed, daemon=True).start()
    done = score(fifo, "-f", "jsonl")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == count


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="no /dev/stdin")  # noqa: PTH110
def test_stdin_by_its_path_is_read_whole(score):
    done = score("/dev/stdin", "-f", "jsonl", stdin="好用\n".encode() * 30_000)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 30_000


@pytest.mark.skipif(os.name == "nt", reason="devices are files here only")
def test_a_device_is_written_into(score, write):
    done = score(write("好\n"), "-o", "/dev/stdout", "-f", "csv")
    assert done.returncode == 0
    assert csv_rows(done.stdout)[0]["label"] == "positive"
    assert score(write("好\n"), "-o", os.devnull).returncode == 0


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(score, write, tmp_path, there):
    (tmp_path / "deep").mkdir()
    target, link = tmp_path / "deep" / "target.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(target)
    if there:
        target.write_bytes(b"precious")
        one_sentence(score(write("好\n"), "-o", link), 1)
        assert target.read_bytes() == b"precious"
    assert score(write("好\n"), "-o", link, "--force").returncode == 0
    assert link.is_symlink()
    assert json_rows(target.read_bytes())[0]["label"] == "positive"
    assert [f.name for f in (tmp_path / "deep").iterdir()] == ["target.jsonl"]


def test_an_output_can_be_scored_again_and_again(score, write, tmp_path):
    path = write("text,n\n好,1\n", "0.csv")
    for turn in range(1, 4):
        out = tmp_path / f"{turn}.csv"
        assert score(path, "-o", out).returncode == 0
        path = out
    header, row = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert len(set(header)) == len(header) == 2 + 3 * 4
    assert header[:7] == ["text", "n", "label", "probability", "reason", "warning", "predicted_label"]
    assert [cell for name, cell in zip(header, row, strict=True) if "label" in name] == ["positive"] * 3


def test_control_characters_cannot_steer_a_terminal(score, write):
    done = score(write("好\x1b[31m红\x07\x00\x7f\x9b2J\n"), "-f", "table")
    (line,) = done.stdout.decode().splitlines()
    assert "好�[31m红���" in line
    assert all(c.isprintable() for c in line)
    kept = score(write("好\x1b[31m\n"), "-f", "jsonl").stdout
    assert json_rows(kept)[0]["text"] == "好\x1b[31m"


@pytest.mark.parametrize(
    "files",
    [
        {"a.csv": "text,n\n好,1\n", "b.txt": "好\n"},
        {"b.txt": "好\n", "a.csv": "text,n\n好,1\n"},
        {"a.csv": "text,n\n好,1\n", "b.csv": "text,m\n好,1\n"},
    ],
)
def test_files_of_several_shapes_become_jsonl(score, write, files):
    done = score(*[write(text, name) for name, text in files.items()])
    assert (done.returncode, done.stderr) == (0, b"")
    assert [row["label"] for row in json_rows(done.stdout)] == ["positive", "positive"]


def test_tables_of_one_shape_become_one(score, write):
    paths = [write(f"text,n\n好,{name}\n", name) for name in ("a.csv", "b.csv")]
    assert [row["n"] for row in csv_rows(score(*paths).stdout)] == ["a.csv", "b.csv"]


@pytest.mark.parametrize("output", [["-o", "out.jsonl"], []])
@pytest.mark.parametrize("bad", ["missing.txt", "book.xlsx", "columns.csv"])
def test_a_bad_file_among_good_ones_is_told_before_any_work(score, write, tmp_path, bad, output):
    path = write("好\n", "a.txt")
    if FAULTS[bad][0] is not None:
        write(FAULTS[bad][0], bad)
    before = {f.name for f in tmp_path.iterdir()}
    assert bad in one_sentence(score(path, bad, *output, cwd=tmp_path), 1)
    assert {f.name for f in tmp_path.iterdir()} == before


def test_stdin_twice_says_why_not(score):
    assert b"read once" in score("-", "-", stdin="好\n".encode()).stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX shells")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", [["sentiment", "score", "-t", "好"], ["sentiment", "score"], ["models", "list"]])
def test_closed_streams_are_no_traceback(nlpkit_command, clean_environment, closed, arguments):
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", nlpkit_command, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=clean_environment,
        check=False,
    )
    assert done.returncode == (1 if arguments == ["sentiment", "score"] else 0)  # an empty stdin is a fault
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= 1


def on_a_terminal(command, environment) -> bytes:
    """What a command writes to a terminal."""
    code, output = terminals.on_a_terminal(command, environment)
    assert code == 0
    return output


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_colours_are_for_terminals_that_want_them(nlpkit_command, clean_environment, tiny_model):
    command = [nlpkit_command, "sentiment", "score", "-t", "好", "-m", str(tiny_model)]
    environment = clean_environment | {"TERM": "xterm-256color", "COLUMNS": "60"}
    coloured = on_a_terminal(command, environment)
    plain = on_a_terminal(command, environment | {"NO_COLOR": "1"})
    assert b"\x1b[3" in coloured
    assert b"\x1b" not in plain
    assert plain.decode().split() == ["positive", "0.881", "好"]


def test_what_is_no_object_keeps_its_text_in_a_table(score, write):
    path = write('{"id": 1, "review": {"content": "好"}}\n差 trailing\n', "a.jsonl")
    rows = csv_rows(score(path, "--column", "review.content", "--format", "csv").stdout)
    assert [(row["id"], row["review"], row["reason"]) for row in rows] == [
        ("1", '{"content": "好"}', ""),
        ("", "差 trailing", "no JSON object"),
    ]


@pytest.mark.parametrize("name", ["s.csv.gz", "s.xz", "s.zip"])
def test_an_output_is_not_named_as_what_it_is_not(score, write, tmp_path, name):
    assert "would hold no" in one_sentence(score(write("好\n"), "-o", tmp_path / name), 2)
    assert score(write("text\n好\n", "a.csv"), "-o", tmp_path / "s.ndjson").returncode == 0
    assert json_rows((tmp_path / "s.ndjson").read_bytes())[0]["label"] == "positive"


def test_what_stands_above_the_header_of_a_workbook_is_told_once(run, tiny_model, tmp_path):
    path = tmp_path / "title.xlsx"
    path.write_bytes(workbook({"一": [["十一月的评价"], ["编号", "评价"], [1, "质量很好"], [2, "太差了"]]}))
    done = run("sentiment", "score", path, "--model", tiny_model)
    assert done.returncode == 0, done.stderr.decode()
    assert len(csv_rows(done.stdout)) == 2
    assert done.stderr.decode().count("has its header in row 2") == 1
