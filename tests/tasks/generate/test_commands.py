"""``nlpkit generate``: what it prints, in which form, with which exit code."""

import json

import pytest

from tests.outcomes import one_sentence
from tests.tasks.generate import tiny as tiny_generation


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_generation.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def generate(run, model):
    def call(*arguments, **options):
        return run("generate", *arguments, "--model", model, **options)

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


@pytest.mark.parametrize("prompt", ["😀😀", "line\nbreak\n", "Ａ", "\\ud800", "", "质\udcff\udc80量"])
@pytest.mark.parametrize("more", [["-f", "text"], ["-f", "jsonl"], ["-n", 2]])
def test_any_prompt_will_do(generate, prompt, more):
    done = generate("--prompt", prompt, "--seed", 1, *more)
    assert (done.returncode, done.stderr) == (0, b"")
    said = "".join("�" if "\ud800" <= c <= "\udfff" else c for c in prompt)
    text = done.stdout.decode()
    assert (json.loads(text)["prompt"] == said) if "jsonl" in more else text.startswith(said)


def test_prompts_come_from_a_file_and_each_gets_its_texts(generate, tmp_path):
    path, out = tmp_path / "prompts.csv", tmp_path / "texts.jsonl"
    rows = [["质量"], [""], ["快递"]] * 30
    path.write_text("begin\n" + "\n".join(f'"{row[0]}"' for row in rows), encoding="gb18030")
    options = ["--seed", 3, "-n", 2, "-l", 5, "-f", "jsonl"]
    done = generate("--file", path, "--column", "begin", *options, "-o", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    texts = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [text["prompt"] for text in texts] == [row[0] for row in rows for _ in range(2)]
    assert [text["row"] for text in texts] == [row for row in range(1, 91) for _ in range(2)]
    assert [text["number"] for text in texts] == list(range(180))
    lines = "\n".join(row[0] for row in rows).encode()
    piped = generate("--file", "-", *options, stdin=lines).stdout.splitlines()
    assert [json.loads(line)["text"] for line in piped] == [text["text"] for text in texts]


def test_a_row_that_cannot_be_read_has_a_reason(generate, tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_bytes("质量\n".encode() + b"\xff\xfe\xfd\n" + "快递\n".encode())
    done = generate("--file", path, "-f", "jsonl", "--encoding", "utf-8")
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert (second["text"], second["reason"]) == (None, "undecodable bytes")
    assert None not in (first["text"], third["text"])
    assert b"1 of 3 texts were not written: 1 undecodable bytes" in done.stderr
    assert len(generate("--file", path, "--encoding", "utf-8").stdout.splitlines()) == 3


def test_prompts_may_be_several_and_need_no_option(generate):
    lines = generate("质量", "快递", "-p", "好", "--seed", 3).stdout.decode().splitlines()
    assert [line[:2] for line in lines[:2]] == ["质量", "快递"]
    assert lines[2].startswith("好")
    assert generate("快递", "--seed", 3, "--first", 1).stdout.decode().splitlines() == lines[1:2]


def test_a_row_that_cannot_be_read_can_be_an_error(generate, tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"\xff\xfe\xfd\n")
    assert generate("--file", path, "--encoding", "utf-8").returncode == 0
    assert generate("--file", path, "--encoding", "utf-8", "--strict").returncode == 1


def test_the_name_of_the_output_says_its_format(generate, tmp_path):
    assert generate("质量", "-o", tmp_path / "x.jsonl", "--seed", 1).returncode == 0
    assert json.loads((tmp_path / "x.jsonl").read_text(encoding="utf-8"))["prompt"] == "质量"
    assert generate("质量", "-o", tmp_path / "x.txt", "--seed", 1).returncode == 0
    assert (tmp_path / "x.txt").read_text(encoding="utf-8").startswith("质量")
    assert "name it .txt or .jsonl" in one_sentence(generate("质量", "-o", tmp_path / "x.csv"), 2)


def test_a_damaged_model_is_told_before_anything_is_written(run, tmp_path):
    folder = tiny_generation.write(tmp_path / "m")
    (folder / "ngrams" / "arrays.safetensors").write_bytes(b"x")
    done = run("generate", "--model", folder, "-p", "质量")
    assert done.stdout == b""
    assert "is damaged" in one_sentence(done, 1)


def test_a_prompt_and_a_file_exclude_each_other(generate, tmp_path):
    assert generate("-p", "质", "--file", tmp_path / "x").returncode == 2
    assert generate("--column", "x").returncode == 2
    assert "x.txt" in one_sentence(generate("--file", tmp_path / "x.txt"), 1)


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
    found = json.loads(generate("evaluate", path, "--format", "json").stdout)["all"]
    assert (found["texts"], found["characters"], found["unknown"]) == (2, 10, 1)
    assert found["perplexity"] == pytest.approx(2 ** found["bits"], abs=0.02)
    table = generate("evaluate", path).stdout.decode()
    assert f"{found['bits']:.4f}" in table


@pytest.mark.slow
@pytest.mark.train
def test_a_novel_keeps_its_lines_in_order(run, tmp_path):
    pytest.importorskip("torch")
    novel, song = tmp_path / "novel.txt", tmp_path / "song.txt"
    novel.write_text("".join(f"第{i}回\n\n他走了。\n" for i in range(40)), encoding="utf-8")
    song.write_text("啦啦啦\n" * 40, encoding="utf-8")
    small = ["training.shuffle=false", "encoder.hidden=8", "embedding.dim=8", "training.epochs=1", "training.streams=2"]
    command = ["generate", "train", novel, song, "-o", tmp_path / "m"]
    command += [part for one in small for part in ("--set", one)]
    done = run(*command)
    assert done.returncode == 0, done.stderr.decode()
    said = done.stderr.decode()
    assert "160 lines in order, of which none was dropped: repeated and empty ones stay" in said
    assert "train 120, validation 8, test 32: each file's beginning" in said
    assert "left out" not in said
    measured = run("generate", "evaluate", novel, "-m", tmp_path / "m", "-f", "json")
    found = json.loads(measured.stdout)["all"]
    assert found["texts"] == 120


def test_a_file_without_texts_is_one_sentence(generate, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("", encoding="utf-8")
    assert "empty.txt" in one_sentence(generate("evaluate", empty), 1)
    assert "nowhere.txt" in one_sentence(generate("evaluate", tmp_path / "nowhere.txt"), 1)


@pytest.mark.slow
@pytest.mark.train
def test_a_model_is_trained_from_the_shell(run, tmp_path):
    pytest.importorskip("torch")
    corpus = tmp_path / "texts.txt"
    corpus.write_text("\n".join(f"{text}{i}" for i, text in enumerate(tiny_generation.TEXTS * 5)), encoding="utf-8")
    small = ["encoder.hidden=8", "embedding.dim=8", "training.epochs=2", "training.streams=2", "validation=0.2"]
    command = ["generate", "train", corpus, "-o", tmp_path / "m"]
    command += [part for one in small for part in ("--set", one)]
    done = run(*command)
    assert done.returncode == 0, done.stderr.decode()
    assert b"bits a character" in done.stdout
    said = done.stderr.decode()
    assert "epoch   2" in said
    assert "nlpkit generate --prompt" in said
    again = run(*command)
    assert "holds a model already" in one_sentence(again, 1)
