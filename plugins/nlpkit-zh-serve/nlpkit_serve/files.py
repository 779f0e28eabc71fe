"""Files that are sent: what columns they have, and their rows answered. No request names a path."""

from __future__ import annotations

import io
import itertools
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlpkit.commands import FileAnswerer, Tally
from nlpkit.text import preview

from nlpkit_serve.faults import RequestFault
from nlpkit_serve.weighing import WORKBOOKS, weigh

SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".xlsb", ".xlsm", ".ods", ".parquet")
FORMATS: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
OPENED = 3  # times more bytes than it holds a workbook may take when it is open
FIRST = 5  # rows that are shown


class SentFile:
    """A file that was sent, in a folder of its own that is gone in the end.

    :param name: what its sender calls it: only its suffix counts, and is one of a few.
    :param most: bytes that a workbook may hold, which is packed; it may take a few times as many when it is open.
    :param seconds: in which a workbook must be open.
    :raises RequestFault: for any other, and for whatever else is packed, which may be larger than it looks.
    """

    def __init__(self, name: str, content: bytes, most: int, seconds: float) -> None:
        suffix = find_suffix(name)
        if content.startswith(PACKED):
            raise RequestFault(422, "a file that is packed is not read: send it unpacked")
        if not content:
            raise RequestFault(422, "the file is empty")
        if (size := measure_unpacked(content)) > most:
            raise RequestFault(413, f"unpacked the file is {size:,} bytes long, {most:,} are the most")
        self._is_workbook, self._most, self._seconds = content.startswith(WORKBOOKS), most, seconds
        self.folder = Path(tempfile.mkdtemp(prefix="nlpkit-serve-"))
        self.path = self.folder / f"sent{suffix}"
        try:
            self.path.write_bytes(content)
        except OSError:
            self.remove()
            raise

    def describe(self, *, sheet: str | None = None) -> dict[str, Any]:
        """Return its columns, None of a file of lines, and its first rows.

        :param sheet: of a workbook, if several hold rows.
        """
        self._weigh()
        columns, rows = preview(self.path, rows=FIRST, sheet=sheet)
        return {"columns": columns, "rows": rows}

    def answer(self, answerer: FileAnswerer, check: Any) -> tuple[Path, Tally]:
        """Answer its rows.

        :param check: ends the work by raising something.
        :returns: the file with the answers, in the same folder, and what was counted.
        """
        self._weigh()
        target = self.folder / f"answered.{answerer.kind}"
        return target, answerer.answer(self.path, target, name=self.path.name, follow=lambda _tally: check())

    def _weigh(self) -> None:
        if self._is_workbook:
            weigh(self.path, OPENED * self._most, self._seconds)

    def say(self, sentence: str) -> str:
        """Return a sentence without the path, which is nobody's business."""
        return sentence.replace(str(self.path), self.path.name)

    def remove(self) -> None:
        """Remove it, and what was made of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def measure_unpacked(content: bytes) -> int:
    """Return how many bytes a workbook holds, as it says itself; 0 of what is none."""
    if not content.startswith(b"PK"):
        return 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return 0  # which its reader says better


def find_suffix(name: str) -> str:
    """Return the suffix of a name, if it is that of a file that can be read.

    :raises RequestFault: if it is not.
    """
    found = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)
    if found is None:
        listed = ", ".join(itertools.islice(SUFFIXES, 7))
        raise RequestFault(
            422, f"a file called {name[:80]!r} is not read: send one whose name ends in {listed} or .parquet"
        )
    return found
