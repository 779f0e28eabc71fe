"""A trained model in a distribution of its own: two files and the folder that training wrote."""

import json
import shutil

import pytest

from nlpkit.model.bundle import add_checksums, save
from tests.commands.distributions import install
from tests.tasks.sentiment.test_score import one_sentence
from tests.tiny import model_files, sample

PROJECT = """
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "nlpkit-zh-hotels"
version = "0.3.0"
dependencies = ["nlpkit-zh>=0.1"]

[project.entry-points.nlpkit]
hotels = "nlpkit_hotels"

[tool.hatch.build.targets.wheel]
packages = ["nlpkit_hotels"]
"""
PACKAGE = '''
"""A model for reviews of hotels."""

from pathlib import Path

from nlpkit import hookimpl


@hookimpl
def nlpkit_register_models(register):
    register("hotels", Path(__file__).parent / "model")
'''


@pytest.fixture
def hotels(tmp_path):
    """Install the distribution; return where."""
    folder, site = tmp_path / "nlpkit-zh-hotels", tmp_path / "site"
    package = folder / "nlpkit_hotels"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").write_text(PACKAGE)
    save(package / "model", add_checksums(model_files(samples=[sample("好货"), sample("差")])))
    install(folder, site)
    shutil.rmtree(folder)  # what is installed is all there is
    return site


def test_a_package_ships_a_model(run, hotels):
    environment = {"PYTHONPATH": str(hotels), "NLPKIT_STRICT_PLUGINS": "1"}
    found = json.loads(run("models", "list", "--format", "json", environment=environment).stdout)
    (model,) = (model for model in found if model["name"] == "hotels")
    assert (model["distribution"], model["version"]) == ("nlpkit-zh-hotels", "0.3.0")
    assert model["bytes"] > 0
    done = run("sentiment", "score", "-t", "差", "-m", "hotels", environment=environment)
    assert json.loads(done.stdout)["label"] == "negative"
    assert done.stderr == b""
    assert run("models", "check", "hotels", environment=environment).stdout == b"hotels: ok\n"


def test_a_model_is_left_out_with_its_package(run, hotels):
    environment = {"PYTHONPATH": str(hotels), "NLPKIT_DISABLE_PLUGINS": "nlpkit-zh-hotels"}
    assert b"hotels" not in run("models", "list", environment=environment).stdout
    told = one_sentence(run("sentiment", "score", "-t", "差", "-m", "hotels", environment=environment), 1)
    assert "there is no model 'hotels'" in told
    assert "it may be in nlpkit-zh-hotels, which NLPKIT_DISABLE_PLUGINS leaves out" in told


def test_a_model_whose_folder_is_lost_is_named(run, hotels):
    shutil.rmtree(hotels / "nlpkit_hotels" / "model")
    environment = {"PYTHONPATH": str(hotels)}
    done = run("models", "list", environment=environment)
    assert b"reviews" in done.stdout
    assert b"Warning: hotels from nlpkit-zh-hotels 0.3.0: " in done.stderr
    assert b"Warning" not in run("plugins", "list", environment=environment).stderr


def test_a_model_of_ours_in_another_distribution_is_told(run):
    done = run(
        *("sentiment", "score", "-t", "差", "-m", "reviews-large"),
        environment={"NLPKIT_DISABLE_PLUGINS": "nlpkit-zh-e5"},
    )
    assert "the model 'reviews-large' is in nlpkit-zh-e5, which " in one_sentence(done, 1)
