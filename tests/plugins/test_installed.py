from importlib.metadata import EntryPoint

import pytest

from nlpkit.errors import PluginError
from nlpkit.plugins.installed import InstalledPlugin, find_exclusion, find_installed, is_strict, list_unknown_names


def plugin(name="letters", distribution="zh-letters", *requires):
    return InstalledPlugin((EntryPoint(name, "letters", "nlpkit"),), distribution, "1.2", requires)


NAMED = InstalledPlugin(
    (EntryPoint("pairs", "letters:pairs", "nlpkit.tokenizers"), EntryPoint("twos", "letters:twos", "nlpkit.encoders")),
    "zh-pairs",
    "1",
)


CORE = plugin("builtin", "nlpkit-zh")
LETTERS, BERT = plugin(), plugin("bert", "Nlpkit_ZH.bert")
ALL = [CORE, LETTERS, BERT]


def goes_with(line, version):
    try:
        plugin("letters", "zh-letters", line).check_needs(version)
    except PluginError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("nlpkit-zh", True),
        ("Nlpkit_ZH[train] >= 0.2", False),
        ("nlpkit-zh[train] (>=0.1,<0.2)", True),
        ("nlpkit-zh (>=0.2)", False),
        ("nlpkit-zh>=0.1,<0.1.1", True),
        ("nlpkit-zh>=0.1.0.1", False),
        ("nlpkit-zh>=0.2; extra == 'test'", True),
        ("nlpkit-zh>=0.2; python_version > '3'", False),
        ("nlpkit-zh-word2vec>=7", True),
        ("numpy>=99", True),
        ("nlpkit-zh>=>", False),
        ("nlpkit-zh @ file:///somewhere", True),
        ("", True),
    ],
)
def test_what_a_requirement_means(line, fits):
    assert goes_with(line, "0.1.0") is fits


def test_who_needs_a_newer_nlpkit_says_which_is_there_and_what_to_do():
    with pytest.raises(PluginError) as caught:
        plugin("letters", "zh-letters", "numpy>=2", "nlpkit-zh[train]<2,>=0.9").check_needs("0.1.0")
    assert str(caught.value) == (
        "it needs nlpkit-zh<2,>=0.9, and 0.1.0 is installed: pip install --upgrade nlpkit-zh zh-letters"
    )


def test_a_requirement_that_nobody_can_read_is_told():
    with pytest.raises(PluginError, match=r"its metadata cannot be read: Requires-Dist is 'nlpkit-zh newest'"):
        plugin("letters", "zh-letters", "nlpkit-zh newest").check_needs("0.1.0")


@pytest.mark.parametrize(
    ("environment", "out"),
    [
        ({}, [None, None, None]),
        ({"NLPKIT_DISABLE_PLUGINS": ""}, [None, None, None]),
        ({"NLPKIT_DISABLE_PLUGINS": "bert"}, [None, None, "NLPKIT_DISABLE_PLUGINS"]),
        ({"NLPKIT_DISABLE_PLUGINS": " nlpkit.zh__BERT ,"}, [None, None, "NLPKIT_DISABLE_PLUGINS"]),
        ({"NLPKIT_DISABLE_PLUGINS": "builtin,nlpkit-zh"}, [None, None, None]),
        ({"NLPKIT_PLUGINS": "zh-letters"}, [None, None, "NLPKIT_PLUGINS"]),
        ({"NLPKIT_PLUGINS": "letters, bert"}, [None, None, None]),
        ({"NLPKIT_PLUGINS": ""}, [None, "NLPKIT_PLUGINS", "NLPKIT_PLUGINS"]),
        (
            {"NLPKIT_PLUGINS": "bert", "NLPKIT_DISABLE_PLUGINS": "bert"},
            [None, "NLPKIT_PLUGINS", "NLPKIT_DISABLE_PLUGINS"],
        ),
    ],
)
def test_the_environment_leaves_plugins_out_by_either_name(environment, out):
    assert [find_exclusion(plugin, environment) for plugin in ALL] == out


def test_a_name_that_fits_no_plugin_is_told_with_the_nearest():
    (sentence,) = list_unknown_names(ALL, {"NLPKIT_DISABLE_PLUGINS": "bert,leters"})
    assert sentence == (
        "NLPKIT_DISABLE_PLUGINS names 'leters', which no plugin is called; did you mean 'letters'? There is: bert, "
        "letters, nlpkit-zh-bert, zh-letters"
    )


def test_ours_may_be_named_and_cannot_be_left_out():
    assert list(list_unknown_names(ALL, {"NLPKIT_PLUGINS": "builtin,nlpkit-zh"})) == []
    assert len(list(list_unknown_names(ALL, {"NLPKIT_DISABLE_PLUGINS": "builtin,nlpkit-zh"}))) == 2


@pytest.mark.parametrize(("value", "meant"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_strictness_is_asked_for(value, meant):
    assert is_strict({} if value is None else {"NLPKIT_STRICT_PLUGINS": value}) is meant


def test_names_are_those_of_one_plugin():
    assert (NAMED.name, NAMED.names, NAMED.module) == ("zh-pairs", {"zh-pairs", "pairs", "twos"}, None)
    assert find_exclusion(NAMED, {"NLPKIT_DISABLE_PLUGINS": "twos"}) == "NLPKIT_DISABLE_PLUGINS"


def test_a_module_and_names_of_one_distribution_are_two_plugins(tmp_path, monkeypatch):
    information = tmp_path / "both-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: both\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[nlpkit]\nold = both\n[nlpkit.tokenizers]\nnew = both:new\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = [plugin for plugin in find_installed() if plugin.distribution == "both"]
    assert [(plugin.name, plugin.module is None) for plugin in found] == [("both", True), ("old", False)]


def test_ours_come_first():
    found = find_installed()
    assert (found[0].distribution, found[0].name, found[0].module) == ("nlpkit-zh", "nlpkit-zh", None)
    assert [plugin.ours for plugin in found] == sorted((plugin.ours for plugin in found), reverse=True)


def test_of_a_torn_installation_what_is_missing_is_made_up(tmp_path, monkeypatch):
    information = tmp_path / "torn-1.0.dist-info"
    information.mkdir()
    (information / "entry_points.txt").write_text("[nlpkit]\ntorn = torn\n")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = (plugin for plugin in find_installed() if plugin.name == "torn")
    assert (found.distribution, found.version, found.requires) == ("unknown", "0", ())
