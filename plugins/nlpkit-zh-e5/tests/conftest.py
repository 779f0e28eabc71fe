import os
import sys
from pathlib import Path

import pytest

DROPPED = ("PYTHONPATH", "PYTHONIOENCODING", "NO_COLOR", "COLUMNS", "FORCE_COLOR")


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """This process's environment without what would change how the command behaves."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "PATH": path}
