"""What the page on vectors shows can be done as it stands, in a clone of the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "vectors.md"
WALK = re.compile(r"^```sh walk word2vec\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a Unix shell")
def test_the_page_can_be_walked(tmp_path, environment):
    pytest.importorskip("torch")
    commands = WALK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(commands) >= 3
    (tmp_path / "corpora").symlink_to(ROOT / "corpora")
    done = subprocess.run(
        ["sh", "-ec", "\n".join(commands)],
        cwd=tmp_path,
        env=environment | {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert '"word":"质量"' in done.stdout
