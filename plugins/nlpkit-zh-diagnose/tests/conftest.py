import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_diagnoses
from hypothesis import settings

settings.register_profile("untimed", max_examples=60, deadline=None, derandomize=True)  # no test measures time
settings.load_profile("untimed")
DROPPED = ("PYTHONIOENCODING", "NO_COLOR", "COLUMNS", "FORCE_COLOR")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: what the tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes or text to a file of the test's own."""

    def write_file(data: bytes | str, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write_file


@pytest.fixture(scope="session")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of daily prices; not to be changed."""
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    path.write_text(tiny_diagnoses.price_table(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def salaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of salaries; not to be changed."""
    path = tmp_path_factory.mktemp("salaries") / "salary.csv"
    path.write_text(tiny_diagnoses.salary_table(), encoding="utf-8")
    return path


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., object]:
    """Run ``nlpkit diagnose`` as a shell would, but in this process: a new one would import torch each time."""
    from nlpkit.commands.main import main

    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> subprocess.CompletedProcess:
        monkeypatch.setattr(sys, "argv", ["nlpkit", "diagnose", *map(str, arguments)])
        results, descriptor = sys.stdout, os.dup(1)
        with pytest.raises(SystemExit) as stopped:
            main()
        sys.stdout = results  # which at its end is stderr, lest strangers print among results
        os.dup2(descriptor, 1)
        os.close(descriptor)
        signal.signal(signal.SIGTERM, before)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return subprocess.CompletedProcess(arguments, stopped.value.code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """This process's environment without what would change how the command behaves."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    return kept | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def command() -> str:
    """The console script of the environment that runs the tests."""
    found = shutil.which("nlpkit", path=str(Path(sys.executable).parent))
    assert found, "nlpkit is not installed beside this Python"
    return found
