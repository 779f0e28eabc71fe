import json

import pytest

from nlpkit.model.bundle import Bundle, save
from nlpkit.tasks.cloze.model import ClozeModel
from tests.outcomes import one_sentence
from tests.tasks.cloze.tiny import counted_files
from tests.tiny import model_files, sample


def test_the_list(run):
    (found,) = [m for m in json.loads(run("models", "list", "--format", "json").stdout) if m["name"] == "reviews"]
    assert found["answers"] == {"labels": ["negative", "neutral", "positive"]}
    assert found["distribution"] == "nlpkit-zh"
    assert 0 < found["bytes"] <= 6_000_000
    assert "reviews" in run("models", "list").stdout.decode()


def test_cloze_models_check_as_others_do(run, tmp_path):
    model = ClozeModel(Bundle("tiny", counted_files()))
    save(tmp_path / "m", counted_files(samples=[model.sample("衣服质量__，值得推荐")]))
    done = run("models", "check", tmp_path / "m")
    assert (done.returncode, done.stderr) == (0, b"")
    wrong = {"text": "衣服质量__", "fillings": [{"words": ["好"], "probability": 0.99}], "reason": None}
    save(tmp_path / "m", counted_files(samples=[wrong]), force=True)
    done = run("models", "check", tmp_path / "m")
    assert done.returncode == 1
    assert "0.99" in done.stderr.decode()


def test_a_listed_model_tells_its_labels_or_how_many_words_it_can_say(run, stranger, tmp_path):
    save(tmp_path / "words", counted_files())
    save(tmp_path / "damaged", counted_files() | {"answers.json": b"[]"})
    environment = stranger(
        "from nlpkit import hookimpl\nfrom pathlib import Path\n@hookimpl\ndef nlpkit_register_models(register):\n"
        f"    for name in ('words', 'damaged'):\n        register(name, Path({str(tmp_path)!r}) / name)\n"
    )
    done = run("models", "list", "--format", "json", environment=environment)
    found = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert (found["words"]["task"], found["words"]["answers"]) == ("cloze", {"words": 15})
    assert "answers.json" in done.stderr.decode()
    assert "15 words" in run("models", "list", environment=environment).stdout.decode()


def test_a_card_and_a_config(run, tiny_model):
    assert run("models", "show", tiny_model).stdout == b"# tiny\n"
    assert json.loads(run("models", "show", tiny_model, "--format", "json").stdout)["labels"] == [
        "negative",
        "positive",
    ]
    assert run("models", "show", "reviews").stdout.startswith(b"# reviews")


def test_a_whole_model_checks(run, tiny_model):
    done = run("models", "check", tiny_model)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, f"{tiny_model}: ok\n", b"")


def test_the_installed_models_check(run):
    done = run("models", "check")
    assert done.returncode == 0
    assert {"reviews: ok", "reviews-chars: ok", "reviews-cloze: ok"} <= set(done.stdout.decode().splitlines())


def test_a_model_without_checksums_is_told(run, tmp_path):
    save(tmp_path / "m", model_files(samples=[sample("好货")]))
    done = run("models", "check", tmp_path / "m")
    said = f"{tmp_path / 'm'}: ok (no checksums: made by an older nlpkit)\n"
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, said, b"")


def test_a_model_that_answers_otherwise_fails(run, tmp_path):
    wrong = {"text": "好", "label": "negative", "probabilities": {"negative": 0.9, "positive": 0.1}}
    save(tmp_path / "m", model_files(samples=[wrong]))
    done = run("models", "check", tmp_path / "m")
    assert done.returncode == 1
    assert "FAILED" in done.stdout.decode()
    assert "0.9" in done.stderr.decode()


@pytest.mark.parametrize("path", ["characters/arrays.safetensors", "samples.json", "evidence.json"])
def test_a_damaged_model_is_one_sentence(run, tmp_path, path):
    save(tmp_path / "m", model_files())
    (tmp_path / "m" / path).unlink()
    done = run("models", "check", tmp_path / "m", "reviews")
    assert done.returncode == 1
    assert done.stdout.decode() == f"{tmp_path / 'm'}: FAILED\nreviews: ok\n"  # one bad model hides no other
    assert f"{path} is missing" in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_model_of_a_newer_format_is_one_sentence(run, tmp_path):
    save(tmp_path / "m", model_files(format=99, nlpkit="9.9"))
    assert "format 99" in one_sentence(run("sentiment", "score", "-t", "好", "-m", tmp_path / "m"), 1)


def test_a_model_of_a_task_that_is_not_here_names_its_plugin(run, tmp_path):
    origin = {"distribution": "zh-spans", "version": "1.2"}
    save(tmp_path / "m", model_files(task="spans", task_from=origin))
    done = run("models", "check", tmp_path / "m")
    assert done.returncode == 1
    assert (
        "the model needs the task 'spans' from zh-spans 1.2, which is not installed: pip install 'zh-spans>=1.2'"
    ) in done.stderr.decode()
    save(tmp_path / "file", model_files(task="spans", task_from={"distribution": "my_spans.py", "version": "86b6d1fe"}))
    assert (
        "my_spans.py 86b6d1fe, which is not here: say --plugin"
        in run("models", "check", tmp_path / "file").stderr.decode()
    )
    for damage in (7, {"distribution": "; rm", "version": "1"}, {"version": "1"}):
        save(tmp_path / "damaged", model_files(task="spans", task_from=damage), force=True)
        assert "is damaged: config.json" in run("models", "check", tmp_path / "damaged").stderr.decode()
    save(tmp_path / "ours", model_files(samples=[sample("好货")], task_from=origin))  # the task is here
    assert run("models", "check", tmp_path / "ours").returncode == 0
