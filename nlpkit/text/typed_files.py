"""Opens files whose cells have types: workbooks of Excel and its kin, and Parquet files, known by their first bytes."""

from __future__ import annotations

import io
from typing import IO

from nlpkit.errors import SettingError
from nlpkit.text.packing import format_of
from nlpkit.text.table import Choice, TypedTable

_HEAD = 512  # bytes by which such a file is known
_PARTS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")  # of which a workbook has one


def open_table(name: str, stream: IO[bytes], choice: Choice) -> TypedTable | None:
    """Open a workbook or a Parquet file; None of anything else, of which nothing was read then.

    :raises DataError: if it is damaged, or it cannot be told which sheet is meant.
    :raises MissingExtra: if what reads it is not installed.
    :raises SettingError: if a sheet is named, and it is no workbook.
    """
    kind = _kind_of(stream)
    if kind == "Parquet":
        from nlpkit.text.parquet import ParquetTable

        table: TypedTable | None = ParquetTable(name, _seekable(stream))
    elif kind in ("zip", "Office"):
        table = _open_workbook(name, _seekable(stream), choice, old=kind == "Office")
    else:
        table = None
    if choice.sheet is not None and kind not in ("zip", "Office"):
        raise SettingError(
            "{name} is no workbook, and has no sheet {sheet!r}: leave out --sheet", name=name, sheet=choice.sheet
        )
    return table


def _open_workbook(name: str, stream: IO[bytes], choice: Choice, *, old: bool) -> TypedTable | None:
    if not old and not _holds_workbook(stream):
        return None
    from nlpkit.text.workbooks import Sheet

    return Sheet(name, stream, choice)


def _holds_workbook(stream: IO[bytes]) -> bool:
    """Tell whether an archive is a workbook; one that is damaged is, as long as its beginning says so."""
    import zipfile  # only those who read archives need it

    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        stream.seek(0)
        names = [part for part in _PARTS if part.partition("/")[0].encode() in stream.read(1 << 16)]
    finally:
        stream.seek(0)
    return any(part in names for part in _PARTS)


def _kind_of(stream: IO[bytes]) -> str | None:
    """Tell from the first bytes what a stream is, if they can be had without being taken from it."""
    if isinstance(stream, io.BufferedReader):
        return format_of(stream.peek(_HEAD)[:_HEAD])
    try:
        if not stream.seekable():
            return None
        at = stream.tell()
        head = stream.read(_HEAD)
        stream.seek(at)
    except OSError:  # whoever reads it next says why
        return None
    return format_of(head)


def _seekable(stream: IO[bytes]) -> IO[bytes]:
    return stream if stream.seekable() else io.BytesIO(stream.read())
