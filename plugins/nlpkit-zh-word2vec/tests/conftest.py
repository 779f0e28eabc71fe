import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DROPPED = ("PYTHONPATH", "PYTHONIOENCODING", "NO_COLOR", "COLUMNS", "FORCE_COLOR")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes or text to a file of the test's own."""

    def write_file(data: bytes | str, name: str = "vectors.bin") -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write_file


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """This process's environment without what would change how the command behaves."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    return kept | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess]:
    """Run ``nlpkit`` as a shell would; what comes back is text."""
    command = shutil.which("nlpkit", path=str(Path(sys.executable).parent))
    assert command, "nlpkit is not installed beside this Python"

    def run_command(*arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [command, *map(str, arguments)], capture_output=True, encoding="utf-8", env=environment, check=False
        )

    return run_command
