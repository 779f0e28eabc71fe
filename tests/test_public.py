import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import nlpkit
from nlpkit import errors
from nlpkit.errors import MissingExtra, NlpkitError, nearest
from nlpkit.tasks.sentiment.model import Score, SentimentModel

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "public.md").read_text("utf-8")
PUBLIC = {part.split("\n", 1)[0]: re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) for part in PAGE.split("\n## ")[1:]}


@pytest.mark.train
@pytest.mark.parametrize("package", PUBLIC)
def test_the_page_lists_what_each_package_says_is_public(package):
    pytest.importorskip("torch")
    module = import_module(package)
    assert PUBLIC[package] == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    modules = {found.name for found in iter_modules(getattr(module, "__path__", ()))}
    assert not modules & set(module.__all__)  # or it would depend on what was imported before


def test_a_thing_is_public_in_one_place():
    names = [name for package in PUBLIC.values() for name in package]
    assert {name for name in names if names.count(name) > 1} <= {"Rows"}  # those of a task, those of a batch


@pytest.mark.parametrize(
    "path",
    [path for glob in ("plugins/*/nlpkit_*/**/*.py", "tests/strangers/*/**/*.py") for path in ROOT.glob(glob)],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_plugins_use_nothing_but_what_is_public(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "nlpkit":
            assert {alias.name for alias in node.names} <= set(PUBLIC.get(node.module, ())), ast.unparse(node)


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"nlpkit.*scor"):
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
    assert kinds <= set(nlpkit.__all__)
    assert all(name in errors.__doc__ for name in kinds)


def test_a_missing_extra_says_how_to_get_it():
    wanted = "training needs torch, which is not installed: pip install '.[train]' in a clone of nlpkit's repository"
    assert str(MissingExtra("torch", "train", "training")) == wanted
    told = str(MissingExtra("torch", "train", "it", "nlpkit-zh-bert"))
    assert told.endswith("pip install 'plugins/nlpkit-zh-bert[train]' in a clone of nlpkit's repository")
    assert str(MissingExtra("torch", "fast", "it", "zh-letters")).endswith("pip install 'zh-letters[fast]'")


def test_what_is_installed_from_a_clone_lies_there():
    plugins = Path(__file__).parents[1] / "plugins"
    folders = {folder.name for folder in plugins.iterdir() if (folder / "pyproject.toml").exists()}
    assert set(errors.CLONED) == folders - {"nlpkit-zh-aspects"}  # of which nlpkit knows nothing: that proves the task


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
