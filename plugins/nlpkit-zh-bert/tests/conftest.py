import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_bert

DROPPED = ("PYTHONPATH", "PYTHONIOENCODING", "NO_COLOR", "COLUMNS", "FORCE_COLOR", "HF_HUB_OFFLINE", "HF_HUB_CACHE")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that has all but weights."""
    return tiny_bert.write_tokenizer(tmp_path / "bert")


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny BERT; not to be changed."""
    pytest.importorskip("transformers")
    return tiny_bert.write_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """This process's environment without what would change how the command behaves; no hub can be reached in it."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "PATH": path, "HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture(scope="session")
def cached() -> Callable[[Path, str, Path], dict[str, str]]:
    """Put a folder into a cache as the hub's library keeps it; return the environment that finds it there."""

    def cache(cache_folder: Path, name: str, model: Path) -> dict[str, str]:
        stored = cache_folder / f"models--{name.replace('/', '--')}"
        revision = "0" * 40
        (stored / "refs").mkdir(parents=True)
        (stored / "refs" / "main").write_text(revision)
        (stored / "snapshots").mkdir()
        (stored / "snapshots" / revision).symlink_to(model)
        return {"HF_HUB_CACHE": str(cache_folder)}

    return cache
