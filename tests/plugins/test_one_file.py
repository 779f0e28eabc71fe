import os
import sys

import pytest

from nlpkit.errors import PluginError
from nlpkit.plugins.installed import find_installed, list_unknown_names, pip_install
from nlpkit.plugins.one_file import FILES, FOLDER, add_file, find_files, import_file, version_of
from nlpkit.plugins.registry import Registry

SOURCE = """
from nlpkit import Tokenizer, hookimpl

class Twos(Tokenizer):
    config, files = {}, {}
    def tokenize(self, text):
        return [text[i : i + 2] for i in range(0, len(text), 2)]

@hookimpl
def nlpkit_register_tokenizers(register):
    register("twos", lambda: Twos())
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "my-twos.py"
    file.write_text(SOURCE)
    yield file
    sys.modules.pop("my_twos", None)


def test_files_are_found_by_their_names_and_by_their_folder(path, tmp_path):
    for name in ("_shared.py", ".hidden.py", "notes.txt", "other.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder.py").mkdir()
    environment = {FOLDER: str(tmp_path)}
    assert find_files(environment) == [path, tmp_path / "other.py"]
    add_file(tmp_path / "other.py", environment)
    add_file(tmp_path / "other.py", environment)
    assert environment[FILES] == str(tmp_path / "other.py")
    assert find_files(environment) == [tmp_path / "other.py", path]


def test_a_file_is_named_wherever_a_child_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {}
    add_file(path.relative_to(tmp_path), environment)
    assert environment[FILES] == str(path)


def test_what_is_not_there_is_said(tmp_path):
    environment = {FILES: os.pathsep.join(["/nowhere/a.py"]), FOLDER: str(tmp_path / "none")}
    assert list(list_unknown_names([], environment)) == [
        "NLPKIT_PLUGIN_FILES names '/nowhere/a.py', which is no file",
        f"NLPKIT_PLUGINS_DIR names {str(tmp_path / 'none')!r}, which is no folder",
    ]
    assert find_files(environment) == []


def test_a_file_registers_what_it_brings_under_its_name(path, monkeypatch):
    monkeypatch.setenv(FILES, str(path))
    (source,) = (plugin for plugin in find_installed() if plugin.distribution == "my-twos.py")
    assert (source.name, source.version, source.ours) == ("my-twos", version_of(path), False)
    plugins = Registry()
    plugin = plugins.take(source)
    component = plugins.get("tokenizer", "twos")
    assert plugin.error is None
    assert (component.distribution, component.version) == ("my-twos.py", version_of(path))
    assert component.create({}).tokenize("质量很好") == ["质量", "很好"]
    assert sys.modules["my_twos"] is import_file(path)


def test_the_version_of_a_file_is_another_when_it_is_changed(path):
    before = version_of(path)
    path.write_text(f"{SOURCE}\n")
    assert version_of(path) != before
    assert version_of(path.with_name("gone.py")) == "0"


def test_a_name_that_hides_a_module_is_refused(path, tmp_path):
    for name in ("json.py", "jieba.py", "wave.py"):  # imported, not imported, of the standard library
        (tmp_path / name).write_text("")
        with pytest.raises(PluginError, match="there is another module"):
            import_file(tmp_path / name)
    import_file(path)
    (tmp_path / "other").mkdir()
    again = tmp_path / "other" / path.name
    again.write_text(SOURCE)
    with pytest.raises(PluginError, match="another module 'my_twos': give the file another name"):
        import_file(again)


@pytest.mark.parametrize("name", ["二.py", "2twos.py", "a b.py", "a.b.py"])
def test_a_name_that_no_module_can_have_is_refused(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(PluginError, match="is called by letters a to z"):
        import_file(tmp_path / name)


def test_a_file_that_is_named_in_two_ways_is_one(path, tmp_path):
    (tmp_path / "sub").mkdir()
    environment = {FOLDER: str(tmp_path), FILES: str(tmp_path / "sub" / ".." / path.name)}
    assert [file.resolve() for file in find_files(environment)] == [path]


def test_of_two_files_of_one_name_the_first_works(path, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    other = tmp_path / "sub" / path.name
    other.write_text(SOURCE)
    monkeypatch.setenv(FILES, f"{path}{os.pathsep}{other}")
    plugins = Registry()
    first, second = (plugins.take(source) for source in find_installed() if source.distribution == path.name)
    assert plugins.get("tokenizer", "twos").distribution == path.name
    assert (first.error, second.error) == (None, "there is another module 'my_twos': give the file another name")


def test_a_file_that_fails_leaves_no_module(tmp_path):
    (tmp_path / "fails_at_once.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        import_file(tmp_path / "fails_at_once.py")
    assert "fails_at_once" not in sys.modules


def test_a_missing_file_is_not_to_be_installed():
    assert pip_install("twos.py", ">=", "86b6d1fe") == (
        ": say --plugin twos.py before the command, or put it where NLPKIT_PLUGINS_DIR says"
    )
    assert pip_install("twos.py", "==", "86b6d1fe") == ""
