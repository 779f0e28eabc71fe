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
def run() -> Callable[..., subprocess.CompletedProcess]:
    """Run ``nlpkit`` as a shell would; what comes back is text."""
    command = shutil.which("nlpkit", path=str(Path(sys.executable).parent))
    assert command, "nlpkit is not installed beside this Python"
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}

    def run_command(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [command, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            env=kept | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"} | environment,
            check=False,
        )

    return run_command
