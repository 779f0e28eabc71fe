import types
import warnings

import pytest

from nlpkit.errors import DataWarning, PluginError, SettingError
from nlpkit.plugins import hookspecs
from nlpkit.plugins.component import Component
from nlpkit.plugins.hookspecs import hookimpl, read_hooks
from nlpkit.plugins.registry import Registry
from nlpkit.plugins.renaming import renamed
from nlpkit.training.settings import Shape
from tests.plugins.test_registry import Letters
from tests.training.test_settings import ONE, SHAPE, member


@renamed(length="size")
def letters(*, size: int = 2) -> Letters:
    """Cut a text into runs.

    :param size: characters in a run.
    """
    return Letters(size)


def component(factory=letters):
    return Component.of("tokenizer", "letters", factory, distribution="zh-letters", version="1.3", plugin="p")


@pytest.fixture
def plugins(monkeypatch):
    """A registry in which the option of a tokenizer was renamed, for settings as well."""
    from nlpkit.plugins.registry import registry

    known = Registry()
    known.components.update(registry().components)
    known.points.update(registry().points)
    known.components["tokenizer", "letters"] = component()
    monkeypatch.setattr("nlpkit.training.settings.registry", lambda: known)
    return known


SENTENCE = "the tokenizer 'letters' of zh-letters 1.3: the option 'length' is called 'size' now"


def test_an_old_name_is_warned_of_and_works():
    with pytest.warns(DataWarning, match=SENTENCE):
        assert component().create({"length": 3}).config == {"size": 3}
    assert component().create({"size": 3}).config == {"size": 3}
    component().check({"length": 3})
    assert list(component().options()) == ["size"]


def test_a_saved_model_is_not_warned_of():
    known = Registry()
    known.components["tokenizer", "letters"] = component()
    assert known.need("tokenizer", "letters", "zh-letters", "1.2").create({"length": 3}).config == {"size": 3}


def test_both_names_at_once_are_refused():
    for options in ({"length": 3, "size": 2}, {"size": 2, "length": 3}):
        with pytest.raises(SettingError, match="length and size are one option: give size alone"):
            component().check(options)


@pytest.mark.parametrize("names", [{"length": "sizes"}, {"size": "size"}])
def test_a_mark_that_names_no_option_is_refused(names):
    def plain(*, size: int = 2) -> Letters:
        return Letters(size)

    with pytest.raises(PluginError, match="says that its option"):
        component(renamed(**names)(plain))


def test_marks_add_up():
    factory = renamed(width="size")(renamed(length="size")(lambda *, size=2: Letters(size)))
    with pytest.warns(DataWarning, match="'width' is called 'size'"):
        assert component(factory).create({"width": 3}).config == {"size": 3}
    with pytest.warns(DataWarning, match="'length' is called 'size'"):
        assert component(factory).create({"length": 3}).config == {"size": 3}


@pytest.mark.usefixtures("plugins")
def test_settings_have_the_new_name():
    with pytest.warns(DataWarning, match=SENTENCE):
        made = SHAPE.make_settings({"members": [member(tokenizer={"name": "letters", "length": 3})]})
    assert made.members[0].tokenizer == {"name": "letters", "size": 3}
    assert isinstance(SHAPE, Shape)
    assert SHAPE.make_settings(ONE)


def module(hook):
    made = types.ModuleType("nlpkit_runs")

    def register_all(register):
        register("letters", letters)

    register_all.__name__ = hook
    setattr(made, hook, hookimpl(register_all))
    return made


def test_a_hooks_old_name_is_warned_of_and_works(monkeypatch):
    old, new = "nlpkit_register_tokenisers", "nlpkit_register_tokenizers"
    with pytest.raises(PluginError, match=f"there is no hook {old!r}"):
        read_hooks(module(old))
    monkeypatch.setattr(hookspecs, "RENAMED", {old: new})
    plugins = Registry()
    with pytest.warns(DataWarning, match=f"nlpkit_runs implements the hook {old}, which is called {new} now"):
        plugin = plugins.add(module(old), name="p", distribution="zh-runs", version="1")
    assert plugin.error is None
    assert plugins.get("tokenizer", "letters").distribution == "zh-runs"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Registry().add(module(new), name="p", distribution="zh-runs", version="1").error is None
