"""Whose code an error came out of."""

import sys
from types import ModuleType

import pytest

from nlpkit.errors import PluginError
from nlpkit.plugins.blame import find_owner
from nlpkit.plugins.registry import Registry

HOMES = {"zh_runs": "runs", "zh_runs_more.tokens": "more", "zh.pairs": "pairs", "zh.twos": "twos"}


def raised_in(module, source="def fail(): raise KeyError('x')", call="fail"):
    """What a function of a module raises."""
    made = ModuleType(module)
    exec(compile(source, f"{module}.py", "exec"), vars(made))
    with pytest.raises(Exception) as caught:
        getattr(made, call)()
    return caught.value


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("zh_runs", "runs"),
        ("zh_runs.inner.most", "runs"),
        ("zh_runs_more", "more"),  # the root of what it names
        ("zh.twos.inner", "twos"),
        ("zh.others", None),  # of two who share a root: who knows
        ("another", None),
        ("nlpkit.plugins.base", None),
    ],
)
def test_it_is_whose_module_raised_it(module, owner):
    found = find_owner(raised_in(module), HOMES)
    assert (found[0] if found else None) == owner
    assert not found or found[1] == f"fail, line 1 of {module}.py"


def test_who_called_what_raised_is_to_blame():
    error = raised_in("zh_runs", "import json\n\ndef fail():\n    json.loads('{')")
    assert find_owner(error, HOMES) == ("runs", "fail, line 4 of zh_runs.py")


def test_the_innermost_of_two_strangers_is_to_blame():
    inner = ModuleType("zh.pairs")
    exec("def fail(): raise KeyError('x')", vars(inner))
    outer = ModuleType("zh_runs")
    outer.call = inner.fail
    exec("def fail(): call()", vars(outer))
    with pytest.raises(KeyError) as caught:
        outer.fail()
    assert find_owner(caught.value, HOMES)[0] == "pairs"


def test_a_module_that_cannot_be_read_or_lacks_a_name(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "zh_runs.py").write_text("def f(:\n")
    (tmp_path / "zh_runs_more.py").write_text("")
    for statement in ("import zh_runs", "import zh_runs.lost", "import zh_runs_more; zh_runs_more.lost"):
        with pytest.raises((SyntaxError, ImportError, AttributeError)) as caught:
            exec(statement, {"__name__": "nlpkit.tasks.base"})
        assert find_owner(caught.value, HOMES) is not None
    monkeypatch.delitem(sys.modules, "zh_runs_more")


def test_the_registry_names_the_distribution():
    known = Registry()
    module = ModuleType("zh_runs")
    known.add(module, name="runs", distribution="zh-runs", version="1.2")
    found = known.blame(raised_in("zh_runs", "def fail(): raise ValueError('no\\nluck')"))
    assert isinstance(found, PluginError)
    assert str(found) == "the plugin zh-runs 1.2 fails in fail, line 1 of zh_runs.py: ValueError: no luck"
    assert known.blame(raised_in("another")) is None
    known.add(ModuleType("ours"), name="ours", distribution="nlpkit-zh-bert", version="1")
    assert known.blame(raised_in("ours")) is None
