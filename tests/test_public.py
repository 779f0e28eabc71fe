import ast
import inspect
from pathlib import Path

import pytest

import nlpkit
from nlpkit import errors
from nlpkit.errors import MissingExtra, NlpkitError, nearest
from nlpkit.tasks.sentiment.model import Score, SentimentModel


def test_names_are_sorted_and_resolve():
    assert nlpkit.__all__ == sorted(nlpkit.__all__)
    assert len(set(nlpkit.__all__)) == len(nlpkit.__all__)
    for name in nlpkit.__all__:
        assert getattr(nlpkit, name) is not None


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"nlpkit.*'scor'"):
        nlpkit.scor  # noqa: B018


@pytest.mark.parametrize("name", nlpkit.__all__)
def test_public_things_say_what_they_are(name):
    thing = getattr(nlpkit, name)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            if inspect.isfunction(value) and not member.startswith("_"):
                assert inspect.getdoc(value), f"{name}.{member}"


def test_every_error_is_public_and_of_one_tree():
    kinds = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, NlpkitError)}
    assert kinds == {name for name in nlpkit.__all__ if name in vars(errors)}
    assert all(name in errors.__doc__ for name in kinds)


def test_a_missing_extra_says_how_to_get_it():
    wanted = "training needs torch, which is not installed: pip install '.[train]' in a clone of nlpkit's repository"
    assert str(MissingExtra("torch", "train", "training")) == wanted
    told = str(MissingExtra("torch", "train", "it", "nlpkit-zh-bert"))
    assert told.endswith("pip install 'plugins/nlpkit-zh-bert[train]' in a clone of nlpkit's repository")
    assert str(MissingExtra("torch", "fast", "it", "zh-letters")).endswith("pip install 'zh-letters[fast]'")


def test_what_is_installed_from_a_clone_lies_there():
    plugins = Path(__file__).parents[1] / "plugins"
    assert set(errors.CLONED) == {folder.name for folder in plugins.iterdir() if (folder / "pyproject.toml").exists()}


def test_the_nearest_name_is_guessed():
    assert "did you mean 'lstm'" in nearest("lstn", ["none", "lstm"])
    assert "did you mean" not in nearest("xyz", ["none", "lstm"])
    assert "none, lstm" in nearest("xyz", ["none", "lstm"])  # in the order given, as columns stand


def test_the_library_scores():
    model = nlpkit.load("reviews")
    assert isinstance(model, SentimentModel)
    good, nothing = model.score(["质量很好，下次还来", "👍"])
    assert isinstance(good, Score)
    assert (good.label, nothing.label) == ("positive", None)
    assert nlpkit.load().bundle.name == model.bundle.name


def test_the_library_never_prints():
    package = Path(nlpkit.__file__).parent
    for path in package.rglob("*.py"):
        if "commands" in path.parts:
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert "print" not in names, path


def test_the_library_is_typed():
    assert (Path(nlpkit.__file__).parent / "py.typed").is_file()
