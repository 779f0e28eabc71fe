"""Several models on one server, and one that is replaced while it answers."""

import json
import shutil
import threading
import time

import pytest
from nlpkit import BundleError, SettingError
from nlpkit.model import find

from nlpkit_serve.app import create_app
from nlpkit_serve.served import open_models, read_name
from nlpkit_serve.settings import Settings


def copy_model(name, folder):
    """Copy a shipped model."""
    bundle = find(name)
    for path in bundle.files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(bundle.files[path])
    return folder


def give_samples(folder, samples):
    """Let a model have other samples, and no checksums, as one that was saved before there were any."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config.pop("files")
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "samples.json").write_text(json.dumps(samples), "utf-8")


def test_models_have_the_names_that_are_said(tmp_path):
    folder = copy_model("reviews", tmp_path / "mine")
    assert read_name("reviews") == ("reviews", "reviews")
    assert read_name(str(folder)) == ("mine", str(folder))
    assert read_name(f"other={folder}") == ("other", str(folder))
    assert list(open_models(Settings(models=("reviews", str(folder), f"评价={folder}")))) == ["reviews", "mine", "评价"]


@pytest.mark.parametrize(
    ("models", "error", "said"),
    [
        (("reviews", "reviews"), SettingError, "two models would be called 'reviews': say OTHER=reviews"),
        (("revews",), BundleError, "did you mean 'reviews'"),
        (("a b=reviews",), SettingError, "cannot be called 'a b' in an address"),
        (("..=reviews",), SettingError, "cannot be called '..' in an address"),
        (("/nowhere/at/all",), SettingError, "say NAME="),
    ],
)
def test_models_that_cannot_be_served_are_told_at_once(models, error, said):
    with pytest.raises(error) as found:
        create_app(Settings(models=models))
    assert said in str(found.value)


def test_two_models_answer_side_by_side(server, tmp_path):
    small = copy_model("reviews", tmp_path / "same")
    with server(models=("reviews", f"second={small}")) as client:
        first, second = (client.score("质量很好", model=model).json for model in ("reviews", "second"))
        assert (first["model"], second["model"]) == ("reviews", "second")
        assert first["answers"] == second["answers"]


def change(folder):
    """Put another model in the place of one, as a training does: beside it, then moved over."""
    config = (folder / "config.json").read_text("utf-8")
    new = folder.with_name("new")
    shutil.copytree(folder, new)
    (new / "config.json").write_text(config.replace('"negative"', '"bad"').replace('"positive"', '"good"'), "utf-8")
    return new


def swap(new, folder):
    folder.rename(folder.with_name("old"))
    new.rename(folder)


def test_a_model_is_replaced_without_a_request_being_lost(server, tmp_path):
    folder = copy_model("reviews", tmp_path / "mine")
    give_samples(folder, [{"text": "", "label": None, "probabilities": None}])
    new = change(folder)
    with server(models=(str(folder),), watch_seconds=0.05) as client:
        found, done = [], threading.Event()

        def ask():
            while not done.is_set():
                found.append(client.score("质量很好", model="mine"))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        swap(new, folder)
        client.wait("reloaded")
        assert client.score("质量很好", model="mine").json["answers"][0]["label"] == "good"
        done.set()
        for thread in threads:
            thread.join()
        assert {answer.status for answer in found} == {200}
        assert {answer.json["answers"][0]["label"] for answer in found} <= {"good", "positive"}
        assert 'nlpkit_reloads_total{model="mine",outcome="done"} 1.0' in client.ask("/metrics").body.decode()


def test_what_is_damaged_takes_no_place(server, tmp_path):
    folder = copy_model("reviews", tmp_path / "mine")
    with server(models=(str(folder),), watch_seconds=0.05) as client:
        (folder / "config.json").write_text("{}", "utf-8")
        client.wait("not reloaded")
        time.sleep(0.3)
        assert len(client.events("not reloaded")) == 1
        assert client.score("质量很好", model="mine").json["answers"][0]["label"] == "positive"
        assert client.ask("/readyz").status == 200


def test_a_model_that_fails_its_check_is_not_ready(tmp_path, server):
    folder = copy_model("reviews", tmp_path / "mine")
    give_samples(folder, [{"text": "质量很好", "label": "negative", "probabilities": {"negative": 1.0}}])
    with server(models=(str(folder),), until="not ready") as client:
        for answer in (client.ask("/readyz"), client.score("好", model="mine")):
            assert answer.status == 503
            assert "does not answer as it should" in answer.message
        assert client.ask("/healthz").status == 200
