"""What the tutorial shows can be done as it stands, and computes what this plugin computes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from nlpkit import registry  # noqa: E402

pytestmark = pytest.mark.train
PLUGIN = Path(__file__).resolve().parents[1]
README = (PLUGIN / "README.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python (\S+\.py)\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
WALK = re.findall(r"^```sh walk\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
KIT = """
from nlpkit.testing import FAILED, Target, run, list_subjects

target = Target.of("my-srn", ("my-srn", "nlpkit_my_srn:my_srn", "nlpkit.encoders"))
results = list(run(list_subjects([target])))
assert {"padding", "state", "export"} <= {result.check.name for result in results}
assert not [result for result in results if result.outcome == FAILED], results
"""


def run(*command, folder):
    """Run a command with this Python's scripts at hand; what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"PATH": path, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def written(tmp_path):
    """A folder with the tutorial's files."""
    for name, source in FILES.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
def test_the_tutorial_can_be_walked(tmp_path):
    (tmp_path / "corpora").symlink_to(PLUGIN.parents[1] / "corpora")
    assert len(WALK) == 2
    assert "质量很好，下次还来" in run("sh", "-ec", "\n".join(WALK), folder=tmp_path)
    assert (tmp_path / "nlpkit-zh-my-srn" / "nlpkit_my_srn.py").is_file()


@pytest.mark.slow
def test_its_encoder_keeps_what_every_encoder_must(written):
    run(sys.executable, "-c", KIT, folder=written)


@pytest.mark.slow
def test_its_test_passes(written):
    run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_formula.py", folder=written)


def test_its_encoder_is_ours(written, monkeypatch):
    monkeypatch.syspath_prepend(written)
    import nlpkit_my_srn

    theirs, ours = nlpkit_my_srn.my_srn(input_dim=6), registry().get("encoder", "srn").create({}, input_dim=6)
    ours.load_state_dict(theirs.state_dict())
    vectors, mask = torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(theirs(vectors, mask), ours(vectors, mask))


def test_links_lead_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)\)", README)
    assert [target for target in targets if not (PLUGIN / target).exists()] == []
