"""The reading guide names every module of the package."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATH = re.compile(r"`([\w/]+\.py)`")


def named(guide: str) -> set[str]:
    """Every module in the rows of tables; one without a folder stands in that of the one before it."""
    found, folder = set[str](), Path()
    for row in re.findall(r"^\|.*", guide, re.MULTILINE):
        for path in map(Path, PATH.findall(row)):
            folder = path.parent if len(path.parts) > 1 else folder
            found.add((folder / path.name).as_posix())
    return found


def test_it_names_every_module():
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "nlpkit").rglob("[!_]*.py")}
    found = named((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert sorted(modules - found) == []
    assert sorted(path for path in found if not (ROOT / path).is_file()) == []
