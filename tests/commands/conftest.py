from pathlib import Path

import pytest

from nlpkit.model.bundle import save
from tests.tasks.cloze.tiny import counted_files
from tests.tasks.generate import tiny as tiny_generation


@pytest.fixture(scope="session")
def models(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each task."""
    folder = tmp_path_factory.mktemp("models")
    save(folder / "cloze", counted_files())
    return {
        "sentiment": tiny_model,
        "cloze": folder / "cloze",
        "generate": tiny_generation.write(folder / "generate"),
    }
