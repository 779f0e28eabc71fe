"""What a service finds in its log, and that nobody else sees it."""

import logging
import subprocess
import sys

import nlpkit
from nlpkit.model.bundle import check_writable
from nlpkit.plugins.registry import Registry

LISTENS = "import logging; logging.basicConfig(level=logging.DEBUG, format='%(levelname)s %(name)s %(message)s')"
SCORES = "import nlpkit; nlpkit.load({!r}).score(['好货'])"


def test_nothing_is_printed_unless_somebody_listens(tiny_model, clean_environment):
    for listens in (False, True):
        source = f"{LISTENS if listens else 'pass'}; {SCORES.format(str(tiny_model))}"
        done = subprocess.run([sys.executable, "-c", source], env=clean_environment, capture_output=True, check=True)
        assert done.stdout == b""
        said = done.stderr.decode()
        assert ("INFO nlpkit.model.base opened" in said) is listens
        assert listens or said == ""
        assert "好货" not in said


def test_a_model_that_is_opened(tiny_model, caplog):
    caplog.set_level(logging.INFO, "nlpkit")
    nlpkit.load(tiny_model)
    assert [record.getMessage() for record in caplog.records] == [f"opened {tiny_model}, a model for sentiment"]


def test_a_plugin_that_does_not_work(caplog):
    Registry().add(object(), name="broken", distribution="zh-broken", version="1.2")
    (record,) = (record for record in caplog.records if record.name == "nlpkit.plugins.registry")
    assert (record.levelname, record.getMessage()[:24]) == ("WARNING", "the plugin zh-broken 1.2")


def test_a_save_that_was_cut_off(tmp_path, caplog):
    (tmp_path / ".m.old").mkdir()
    (tmp_path / ".m.old" / "config.json").write_text("{}")
    check_writable(tmp_path / "m", force=True)
    assert "was cut off" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
