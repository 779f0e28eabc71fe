import json

import pytest

from nlpkit.commands.model_packing import list_requirements, pack, rename_card
from nlpkit.commands.plugin_templates import write
from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import Bundle, add_checksums, save
from tests.commands.distributions import install
from tests.tasks.sentiment.test_score import one_sentence
from tests.tiny import component, model_files, sample, table_member

CARD = """# tiny

A sentiment model.

```
nlpkit sentiment score FILE --model tiny
nlpkit sentiment score FILE -m tiny --model tiny-too
```

It learnt with tiny corpora.
"""


def bundle(*members, **config):
    return Bundle("tiny", model_files(*members, **config))


@pytest.fixture
def saved(tmp_path):
    """The folder of a model with a card."""
    files = add_checksums(model_files(samples=[sample("好货"), sample("差")])) | {"README.md": CARD.encode()}
    save(tmp_path / "tiny", files)
    return tmp_path / "tiny"


def test_a_model_is_packed_installed_and_used(run, saved, tmp_path):
    folder, site = tmp_path / "packed", tmp_path / "site"
    done = run("models", "pack", saved, "--name", "hotels", "-o", folder)
    assert done.stderr == b""
    told = done.stdout.decode()
    assert "the model hotels, and 2 texts by which it tests itself" in told
    assert told.endswith("nlpkit sentiment score FILE --model hotels\n")
    install(folder, site)
    environment = {"PYTHONPATH": str(site), "NLPKIT_STRICT_PLUGINS": "1"}
    assert run("models", "check", "hotels", environment=environment).stdout == b"hotels: ok\n"
    assert json.loads(run("sentiment", "score", "-t", "差", "-m", "hotels", environment=environment).stdout)["label"]
    card = run("models", "show", "hotels", environment=environment).stdout.decode()
    assert card.startswith("# hotels\n")
    assert "--model hotels\n" in card
    again = run("models", "pack", saved, "--name", "hotels", "-o", tmp_path / "newer", environment=environment)
    assert again.returncode == 0  # a newer model of that name


def test_the_folder_gives_the_name(run, saved, tmp_path):
    assert run("models", "pack", saved.name, cwd=tmp_path).returncode == 0
    assert (tmp_path / "nlpkit-zh-tiny" / "nlpkit_tiny" / "model" / "config.json").read_bytes() == (
        saved / "config.json"
    ).read_bytes()


def test_a_card_calls_the_model_by_its_new_name():
    renamed = rename_card(CARD, "hotels")
    assert renamed.startswith("# hotels\n")
    assert "FILE --model hotels\n" in renamed
    assert "FILE -m hotels --model tiny-too\n" in renamed  # another model
    assert "learnt with tiny corpora" in renamed
    assert rename_card("No title.\n", "hotels") == "# hotels\n\nNo title.\n"
    assert rename_card("# a (b)\n--model a (b)\n", "hotels") == "# hotels\n--model hotels\n"


def test_what_a_model_needs_is_what_pip_is_told():
    assert list_requirements(bundle()) == ["nlpkit-zh>=0.1.0"]
    pairs = table_member(tokenizer=component("pairs", distribution="zh-letters", version="1.2"))
    assert list_requirements(bundle(pairs)) == ["nlpkit-zh>=0.1.0", "zh-letters>=1.2"]
    origin = {"distribution": "zh-spans", "version": "3"}
    assert list_requirements(bundle(task="spans", task_from=origin)) == ["nlpkit-zh>=0.1.0", "zh-spans>=3"]
    file = table_member(tokenizer=component("pairs", distribution="pairs.py", version="86b6d1fe"))
    with pytest.raises(SettingError, match=r"needs the plugin pairs\.py, which is a file"):
        list_requirements(bundle(file))


def test_what_is_no_sound_model_is_refused(run, saved, tmp_path):
    assert "is no model" in one_sentence(run("models", "pack", tmp_path, "--name", "hotels"), 1)
    told = one_sentence(run("models", "pack", saved, "--name", "Hotels"), 2)
    assert told.startswith("Error: 'Hotels' is no name for a plugin")
    assert told.endswith(": try hotels\n")
    assert "is there already, in nlpkit-zh" in one_sentence(run("models", "pack", saved, "--name", "reviews"), 2)
    save(
        tmp_path / "wrong",
        add_checksums(model_files(samples=[sample("好货") | {"probabilities": {"negative": 1.0, "positive": 0.0}}])),
    )
    with pytest.raises(BundleError, match="is not as it was saved"):
        pack(tmp_path / "wrong", "hotels")
    write(pack(saved, "hotels"), tmp_path / "p")
    with pytest.raises(SettingError, match="is there already, and nothing was touched"):
        write(pack(saved, "hotels"), tmp_path / "p")
