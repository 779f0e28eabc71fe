import types
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

import nlpkit
from nlpkit.errors import BundleError, DataError, MissingPlugin, PluginError, SettingError
from nlpkit.plugins.hookspecs import hookimpl
from nlpkit.plugins.installed import InstalledPlugin, find_installed
from nlpkit.plugins.registry import Plugin, Registry, registry
from nlpkit.tasks.base import Task


class Letters:
    """A stranger's tokenizer: pairs of characters."""

    def __init__(self, size: int = 2) -> None:
        self.config, self.files = {"size": size}, {}

    def tokenize(self, text):
        return [text[i : i + self.config["size"]] for i in range(0, len(text), self.config["size"])]


def letters(*, size: int = 2) -> Letters:
    if size < 1:
        raise ValueError(f"size must be at least 1, was: {size}")
    return Letters(size)


def plugin(**hooks):
    """A module as a stranger would write it."""
    module = types.ModuleType("stranger")
    for name, hook in hooks.items():
        setattr(module, name, hookimpl(hook))
    return module


def registering(*names, factory=letters):
    def nlpkit_register_tokenizers(register):
        for name in names:
            register(name, factory)

    return plugin(nlpkit_register_tokenizers=nlpkit_register_tokenizers)


@pytest.fixture
def ours() -> Registry:
    found = Registry()
    found.take(find_installed()[0])
    return found


def test_builtins_come_through_the_entry_point_group():
    found = registry()
    assert {"char", "jieba", "rjieba", "whitespace"} <= set(found.names("tokenizer"))
    assert "trainable" in found.names("embedding")
    assert {"none", "lstm"} <= set(found.names("encoder"))
    assert "reviews" in found.names("model")
    (plugin,) = [p for p in found.plugins if p.name == "nlpkit-zh"]
    assert (plugin.distribution, plugin.error) == ("nlpkit-zh", None)


def test_a_strangers_tokenizer_is_found_with_its_origin(ours):
    ours.add(registering("letters"), name="stranger", distribution="zh-letters", version="1.2")
    component = ours.get("tokenizer", "letters")
    assert (component.distribution, component.version) == ("zh-letters", "1.2")
    assert {name: option.default for name, option in component.options().items()} == {"size": 2}
    assert component.create({"size": 3}).tokenize("质量很好") == ["质量很", "好"]


def test_a_taken_name_is_refused_whole_and_names_both(ours):
    ours.add(registering("letters", "char"), name="stranger", distribution="zh-letters", version="1.2")
    failed = ours.plugins[-1]
    assert failed.distribution == "zh-letters"
    assert "'char'" in failed.error
    assert "nlpkit-zh" in failed.error
    assert ours.get("tokenizer", "char").distribution == "nlpkit-zh"
    assert "letters" not in ours.names("tokenizer")


def test_a_name_may_be_taken_by_another_kind(ours):
    def nlpkit_register_encoders(register):
        register("char", letters)

    ours.add(plugin(nlpkit_register_encoders=nlpkit_register_encoders), name="p", distribution="d", version="1")
    assert ours.plugins[-1].error is None
    assert ours.get("encoder", "char").distribution == "d"


def test_a_misspelled_hook_is_named(ours):
    module = plugin(nlpkit_register_tokenisers=lambda register: register("letters", letters))
    ours.add(module, name="stranger", distribution="zh-letters", version="1.2")
    assert "nlpkit_register_tokenisers" in ours.plugins[-1].error


def test_a_hook_with_a_wrong_argument_is_kept_apart(ours):
    def nlpkit_register_tokenizers(registrar):
        registrar("letters", letters)

    module = plugin(nlpkit_register_tokenizers=nlpkit_register_tokenizers)
    ours.add(module, name="stranger", distribution="zh-letters", version="1.2")
    assert "registrar" in ours.plugins[-1].error
    ours.add(registering("letters"), name="next", distribution="zh-next", version="1")
    assert ours.plugins[-1].error is None


def test_a_hook_that_raises_is_kept_apart_and_leaves_nothing(ours):
    def nlpkit_register_tokenizers(register):
        register("letters", letters)
        raise RuntimeError("no\nluck")

    module = plugin(nlpkit_register_tokenizers=nlpkit_register_tokenizers)
    ours.add(module, name="stranger", distribution="zh-letters", version="1.2")
    assert ours.plugins[-1].error == "RuntimeError: no luck"
    assert "letters" not in ours.names("tokenizer")


def test_one_module_under_two_distributions_keeps_the_first(ours):
    module = registering("letters")
    module.nlpkit_register_commands = hookimpl(lambda cli: cli.add_command(click.Command("hello")))
    ours.add(module, name="stranger", distribution="zh-letters", version="1")
    ours.add(module, name="stranger", distribution="zh-letters-fork", version="2")
    assert [p.error is None for p in ours.plugins[-2:]] == [True, False]
    assert ours.get("tokenizer", "letters").distribution == "zh-letters"
    assert "hello" in ours.names("command")


def test_commands_of_a_plugin_join_and_a_failing_one_is_marked(ours):

    def good(cli):
        cli.add_command(click.Command("hello"))

    def bad(cli):  # noqa: ARG001 - pluggy passes by name
        raise RuntimeError("broken")

    ours.add(plugin(nlpkit_register_commands=bad), name="bad", distribution="zh-bad", version="1")
    ours.add(plugin(nlpkit_register_commands=good), name="good", distribution="zh-good", version="1")
    assert {"corpus", "models", "plugins", "hello"} <= set(ours.names("command"))
    assert [p.error for p in ours.plugins] == [None, "RuntimeError: broken", None]


def test_an_unknown_name_says_the_nearest_and_all(ours):
    with pytest.raises(SettingError, match=r"did you mean 'rjieba'.*char.*whitespace"):
        ours.get("tokenizer", "rjeiba")


def test_an_unknown_option_says_the_nearest(ours):
    ours.add(registering("letters"), name="stranger", distribution="zh-letters", version="1")
    with pytest.raises(SettingError, match="no option 'sise'; did you mean 'size'"):
        ours.get("tokenizer", "letters").create({"sise": 3})


def test_a_refused_value_says_why(ours):
    ours.add(registering("letters"), name="stranger", distribution="zh-letters", version="1")
    with pytest.raises(SettingError, match=r"letters.*size must be at least 1, was: 0"):
        ours.get("tokenizer", "letters").create({"size": 0})


def test_options_are_read_without_calling_the_factory(ours):
    options = ours.get("encoder", "lstm").options()
    assert options["hidden"].default == 64
    assert "input_dim" not in options


def test_a_missing_plugin_is_named_with_distribution_and_version(ours):
    with pytest.raises(MissingPlugin, match=r"tokenizer 'wordpiece' from nlpkit-zh-bert 0\.3.*pip install") as caught:
        ours.need("tokenizer", "wordpiece", "nlpkit-zh-bert", "0.3")
    assert "\n" not in str(caught.value)


def test_a_plugin_may_carry_a_model(ours, tmp_path):
    def nlpkit_register_models(register):
        register("mine", tmp_path)

    ours.add(plugin(nlpkit_register_models=nlpkit_register_models), name="p", distribution="d", version="1")
    assert ours.get("model", "mine").factory == Path(tmp_path)


@pytest.mark.parametrize(
    ("name", "factory", "sentence"),
    [
        ("", letters, "a tokenizer needs a name, was: ''"),
        (None, letters, "a tokenizer needs a name, was: None"),
        (7, letters, "a tokenizer needs a name, was: 7"),
        ("letters", None, "the tokenizer 'letters' needs a function that makes it, was: None"),
        ("letters", Path("words"), "the tokenizer 'letters' needs a function that makes it"),
        ("letters", dict, "'letters'"),  # callable, but nobody can tell its options
    ],
)
def test_a_name_or_factory_that_is_none_is_refused(ours, name, factory, sentence):
    def nlpkit_register_tokenizers(register):
        register("before", letters)
        register(name, factory)

    module = plugin(nlpkit_register_tokenizers=nlpkit_register_tokenizers)
    ours.add(module, name="stranger", distribution="zh-letters", version="1")
    assert sentence in (ours.plugins[-1].error or "")
    assert "before" not in ours.names("tokenizer")
    ours.add(registering("before"), name="next", distribution="zh-next", version="1")
    assert ours.plugins[-1].error is None


def test_a_model_that_is_no_path_is_refused(ours):
    module = plugin(nlpkit_register_models=lambda register: register("mine", letters))
    ours.add(module, name="p", distribution="d", version="1")
    assert "the model 'mine' needs the path of a folder" in ours.plugins[-1].error
    assert "mine" not in ours.names("model")


def test_a_hook_that_exits_is_kept_apart(ours):
    def nlpkit_register_tokenizers(register):
        register("letters", letters)
        raise SystemExit("not on this machine")

    module = plugin(nlpkit_register_tokenizers=nlpkit_register_tokenizers)
    ours.add(module, name="stranger", distribution="zh-letters", version="1.2")
    assert ours.plugins[-1].error == "SystemExit: not on this machine"
    assert "letters" not in ours.names("tokenizer")


def test_a_taken_command_is_refused_and_its_plugin_left_out_whole(ours):
    def nlpkit_register_commands(cli):
        cli.add_command(click.Command("hello"))
        cli.add_command(click.Command("models"))

    module = registering("letters")
    module.nlpkit_register_commands = hookimpl(nlpkit_register_commands)
    ours.add(module, name="stranger", distribution="zh-letters", version="1")
    ours.add(registering("others"), name="next", distribution="zh-next", version="1")
    assert ours.find("command", "hello") is None
    assert ours.plugins[1].error == "the command 'models' is already there"
    assert ours.get("command", "models").distribution == "nlpkit-zh"
    assert "letters" not in ours.names("tokenizer")
    assert {"char", "others"} <= set(ours.names("tokenizer"))


@pytest.mark.parametrize(
    "fault", [RuntimeError("no\nluck"), KeyError("words"), OSError("no such file"), ImportError("x")]
)
def test_another_fault_of_a_factory_names_whose_it_is(ours, fault):
    def factory():
        raise fault

    ours.add(registering("letters", factory=factory), name="stranger", distribution="zh-letters", version="1.2")
    with pytest.raises(
        PluginError, match=r"the tokenizer 'letters' of zh-letters 1\.2 cannot be made: \w+Error: "
    ) as caught:
        ours.get("tokenizer", "letters").create({})
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is fault


def test_a_factorys_own_sentence_is_left_as_it_is(ours):
    def factory():
        raise DataError("words.txt cannot be read")

    ours.add(registering("letters", factory=factory), name="stranger", distribution="zh-letters", version="1.2")
    with pytest.raises(DataError, match=r"^words\.txt cannot be read$"):
        ours.get("tokenizer", "letters").create({})


class Panic(BaseException):
    """As a module in Rust raises it."""


@pytest.mark.parametrize("fault", [Panic("index\nout of bounds"), GeneratorExit("x"), StopIteration(3), SystemExit(0)])
def test_whatever_a_hook_raises_stops_nobody_else(ours, fault):
    def nlpkit_register_tokenizers(register):
        register("letters", letters)
        raise fault

    module = plugin(nlpkit_register_tokenizers=nlpkit_register_tokenizers)
    ours.add(module, name="stranger", distribution="zh-letters", version="1.2")
    assert ours.plugins[-1].error.startswith(type(fault).__name__)
    assert "letters" not in ours.names("tokenizer")
    ours.add(registering("letters"), name="next", distribution="zh-next", version="1")
    assert ours.get("tokenizer", "letters").distribution == "zh-next"


def test_an_interrupt_is_the_users(ours):
    def nlpkit_register_tokenizers(register):  # noqa: ARG001 - pluggy passes by name
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ours.add(plugin(nlpkit_register_tokenizers=nlpkit_register_tokenizers), name="p", distribution="d", version="1")


def test_a_hook_that_would_never_run_is_refused(ours):
    def nlpkit_register_tokenizers(register):
        yield register("letters", letters)

    async def nlpkit_register_encoders(register):
        register("letters", letters)

    for hook in (nlpkit_register_tokenizers, nlpkit_register_encoders):
        ours.add(plugin(**{hook.__name__: hook}), name=hook.__name__, distribution="d", version="1")
        assert ours.plugins[-1].error == f"{hook.__name__} must be a plain function, without yield or async"


@pytest.mark.parametrize(
    ("factory", "shown"),
    [
        (lambda size=2: Letters(size), "size=2"),
        (lambda *sizes: Letters(*sizes), "*sizes"),
        (lambda **options: Letters(**options), "**options"),
    ],
)
def test_options_that_nobody_could_set_are_refused(ours, factory, shown):
    ours.add(registering("letters", factory=factory), name="stranger", distribution="zh-letters", version="1")
    assert ours.plugins[-1].error == f"'letters' needs a function with options by name, after a *, was: {shown}"


def test_two_distributions_may_call_their_entry_points_the_same(ours):
    ours.add(registering("letters"), name="plugin", distribution="zh-letters", version="1")
    ours.add(registering("runs"), name="plugin", distribution="zh-runs", version="2")
    assert [p.error for p in ours.plugins] == [None, None, None]
    assert ours.get("tokenizer", "runs").distribution == "zh-runs"


def test_all_faults_are_told_and_strictness_makes_an_error_of_them(ours, monkeypatch):
    ours.unknown.append("NLPKIT_PLUGINS names 'x'")
    ours.add(plugin(), name="p", distribution="zh-empty", version="3")
    assert ours.faults[0] == "NLPKIT_PLUGINS names 'x'"
    assert ours.faults[1].startswith("the plugin zh-empty 3 does not work: it implements no hook")
    monkeypatch.delenv("NLPKIT_STRICT_PLUGINS", raising=False)
    ours.insist()
    monkeypatch.setenv("NLPKIT_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"^NLPKIT_PLUGINS names 'x'; the plugin zh-empty 3 .*NLPKIT_STRICT_PLUGINS"):
        ours.insist()


def test_a_component_that_was_left_out_is_explained(ours):
    ours.plugins += [
        Plugin("word2vec", "nlpkit-zh-word2vec", "0.1.0", left_out="NLPKIT_DISABLE_PLUGINS"),
        Plugin("letters", "zh-letters", "1", left_out="NLPKIT_PLUGINS"),
        Plugin("runs", "zh-runs", "1", error="KeyError: 'x'"),
    ]
    with pytest.raises(
        SettingError,
        match=r"^the embedding 'word2vec' is in nlpkit-zh-word2vec, which NLPKIT_DISABLE_PLUGINS leaves out$",
    ):
        ours.get("embedding", "word2vec")
    with pytest.raises(SettingError, match=r"it may be in .*zh-letters, which NLPKIT_PLUGINS leaves out, or "):
        ours.get("tokenizer", "letters")
    with pytest.raises(SettingError, match=r"or in zh-runs, which does not work: KeyError: 'x'$"):
        ours.get("tokenizer", "runs")


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ([], "which is not installed: pip install 'zh-letters>=1.2'"),
        ([Plugin("p", "ZH_letters", "1", left_out="NLPKIT_PLUGINS")], "which NLPKIT_PLUGINS leaves out"),
        ([Plugin("p", "zh-letters", "1", error="KeyError: 1")], "which does not work: KeyError: 1"),
        (
            [Plugin("p", "zh-letters", "1")],
            "but version 1, which is installed, lacks it: pip install 'zh-letters==1.2'",
        ),
    ],
)
def test_a_model_whose_plugin_is_not_there_says_why(ours, there, sentence):
    ours.plugins += there
    with pytest.raises(MissingPlugin) as caught:
        ours.need("tokenizer", "letters", "zh-letters", "1.2")
    assert str(caught.value) == f"the model needs the tokenizer 'letters' from zh-letters 1.2, {sentence}"


def test_what_is_ours_is_installed_from_a_clone(ours):
    clone = "pip install 'plugins/nlpkit-zh-word2vec' in a clone of nlpkit's repository"
    with pytest.raises(SettingError) as caught:
        ours.get("embedding", "word2vec")
    assert str(caught.value) == f"the embedding 'word2vec' is in nlpkit-zh-word2vec, which is not installed: {clone}"
    with pytest.raises(MissingPlugin) as caught:
        ours.need("embedding", "word2vec", "nlpkit-zh-word2vec", "0.1")
    assert str(caught.value).endswith(clone)


def test_another_distributions_component_is_not_the_models(ours):
    ours.add(registering("letters"), name="stranger", distribution="zh-others", version="3")
    with pytest.raises(MissingPlugin, match=r"from zh-letters 1\.2, .*; the one that is here is of zh-others 3$"):
        ours.need("tokenizer", "letters", "zh-letters", "1.2")


@pytest.mark.parametrize("options", [{"sise": 3}, {"size": 0}])
def test_a_model_made_with_another_version_names_both(ours, options):
    ours.add(registering("letters"), name="stranger", distribution="zh-letters", version="1")
    with pytest.raises(SettingError):
        ours.need("tokenizer", "letters", "zh-letters", "1").create(options)
    with pytest.raises(
        BundleError,
        match=r"; the model was made with zh-letters 2, and 1 is installed: pip install 'zh-letters==2'$",
    ):
        ours.need("tokenizer", "letters", "Zh.Letters", "2").create(options)
    assert ours.need("tokenizer", "letters", "zh-letters", "2").create({"size": 3}).config == {"size": 3}


def by_name(distribution, group, **points):
    """An installed plugin whose values stand in this module."""
    found = tuple(EntryPoint(name, f"{__name__}:{value}", f"nlpkit.{group}") for name, value in points.items())
    return InstalledPlugin(found, distribution, "1.2")


def failing_folder():
    raise RuntimeError("no\nfolder")


def folder():
    return Path(__file__).parent


FOLDER, HELLO = str(Path(__file__).parent), click.Command("hello")
TASK = Task(name="spans", about="Spans.", model="m:M", run="r:R", measure="m:m", verbs=(), use="nlpkit spans")


def test_a_name_is_known_without_an_import(ours):
    ours.take(InstalledPlugin((EntryPoint("pairs", "nowhere:pairs", "nlpkit.tokenizers"),), "zh-pairs", "1.2"))
    assert ("tokenizer", "pairs") in ours.points
    assert "pairs" in ours.names("tokenizer")
    assert ours.faults == []
    sentence = "the tokenizer 'pairs' of zh-pairs 1.2 does not work: ModuleNotFoundError: No module named 'nowhere'"
    for _ in range(2):
        with pytest.raises(PluginError, match=f"^{sentence}$"):
            ours.get("tokenizer", "pairs")
    assert ours.faults == ["the plugin zh-pairs 1.2 does not work: ModuleNotFoundError: No module named 'nowhere'"]
    assert "pairs" not in ours.names("tokenizer")
    with pytest.raises(MissingPlugin, match="from zh-pairs 1, which does not work: ModuleNotFoundError"):
        ours.need("tokenizer", "pairs", "zh-pairs", "1")


@pytest.mark.parametrize(
    ("group", "value", "wanted"),
    [
        ("tokenizers", "letters", letters),
        ("models", "FOLDER", Path(FOLDER)),
        ("models", "folder", Path(FOLDER)),
        ("commands", "HELLO", HELLO),
        ("tasks", "TASK", TASK),
    ],
)
def test_what_a_name_stands_for(ours, group, value, wanted):
    name = "spans" if group == "tasks" else "mine"
    ours.take(by_name("zh-mine", group, **{name: value}))
    found = ours.get(group[:-1], name)
    assert (found.factory, found.distribution, found.version) == (wanted, "zh-mine", "1.2")


@pytest.mark.parametrize(
    ("group", "value", "sentence"),
    [
        ("tokenizers", "FOLDER", "the tokenizer 'mine' needs a function that makes it, was: "),
        ("tokenizers", "by_name", "'mine' needs a function with options by name, after a *, was: distribution"),
        ("tokenizers", "nothing", "AttributeError: "),
        ("models", "failing_folder", "RuntimeError: no folder"),
        ("models", "TASK", "the model 'mine' needs the path of a folder, was: "),
        ("commands", "letters", "the command 'mine' needs a click.Command, was: "),
        ("tasks", "letters", "the task 'mine' needs a nlpkit.tasks.base.Task of that name, was: "),
        ("tasks", "TASK", "the task 'mine' needs a nlpkit.tasks.base.Task of that name, was: "),
    ],
)
def test_a_name_that_stands_for_something_else(ours, group, value, sentence):
    ours.take(by_name("zh-mine", group, mine=value))
    with pytest.raises(PluginError) as caught:
        ours.get(group[:-1], "mine")
    assert str(caught.value).startswith(f"the {group[:-1]} 'mine' of zh-mine 1.2 does not work: {sentence}")
    assert "\n" not in str(caught.value)


def test_of_two_who_claim_an_entry_point_the_first_has_it(ours):
    ours.take(by_name("zh-letters", "tokenizers", char="letters", pairs="letters"))
    assert ours.faults == [
        "the plugin zh-letters 1.2 does not work: the tokenizer 'char' is already registered by nlpkit-zh"
    ]
    assert ours.get("tokenizer", "char").distribution == "nlpkit-zh"
    assert ours.get("tokenizer", "pairs").distribution == "zh-letters"


def test_a_task_takes_the_name_of_a_command(ours):
    ours.take(by_name("zh-mine", "commands", spans="HELLO"))
    ours.take(by_name("zh-other", "tasks", spans="TASK"))
    assert ours.plugins[-1].error == "the task 'spans' is already registered by zh-mine"


def test_a_module_that_says_a_name_of_its_own_distribution_again(ours):
    ours.take(by_name("zh-letters", "tokenizers", pairs="letters"))
    ours.add(registering("pairs", "twos"), name="letters", distribution="zh-letters", version="1.2")
    assert ours.faults == []
    assert {"pairs", "twos"} <= set(ours.names("tokenizer"))


def test_a_module_may_register_a_task(ours):
    ours.add(plugin(nlpkit_register_tasks=lambda register: register(TASK)), name="p", distribution="d", version="1")
    assert ours.get("task", "spans").factory is TASK
    ours.add(plugin(nlpkit_register_tasks=lambda register: register("x")), name="q", distribution="d", version="1")
    assert ours.plugins[-1].error == "a task needs a name, was: None"


def test_a_module_is_imported_only_where_a_name_is_not_there(ours, tmp_path, monkeypatch):
    (tmp_path / "late_letters.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    ours.take(InstalledPlugin((EntryPoint("late", "late_letters", "nlpkit"),), "zh-late", "1"))
    assert ours.get("tokenizer", "char").distribution == "nlpkit-zh"
    assert (ours.list_unknown(), ours.faults) == (["zh-late"], [])
    assert ours.find("tokenizer", "late") is None
    assert ours.list_unknown() == []
    assert ours.list_new_faults() == ["the plugin zh-late 1 does not work: RuntimeError: imported"]
    assert ours.list_new_faults() == []


def test_ours_are_all_there():
    folders = {path.parent.name for path in Path(nlpkit.__file__).parent.glob("models/*/config.json")}
    found = Registry()
    found.take(find_installed()[0])
    found.import_all()
    assert found.faults == []
    assert {name for kind, name in found.components if kind == "model"} == folders
    assert all(found.get("model", name).factory.name == name for name in folders)
