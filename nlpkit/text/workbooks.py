"""Reads the rows of a workbook: .xlsx, .xlsm, .xlsb, .xls, .ods."""

from __future__ import annotations

import itertools
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from xml.etree import ElementTree

from nlpkit.errors import DataError, DataWarning, MissingExtra, Sentence, SettingError, nearest
from nlpkit.text.cells import CellError, text_of, typed_row, whole
from nlpkit.text.line_numbers import which_rows
from nlpkit.text.records import RECORDS
from nlpkit.text.row import Row
from nlpkit.text.table import Choice

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

ABOVE = 30  # rows among which the header is looked for
PIECE = 1 << 20  # bytes of a sheet's XML that are searched together
_ERROR = re.compile(  # a cell that has one: its column, its row, its value; no cell is searched beyond the next one
    rb'<(?:\w+:)?c\b(?=[^<>/]*\bt="e")[^<>/]*\br="([A-Z]{1,3})(\d{1,7})"[^<>/]*>'
    rb"(?:(?!</?(?:\w+:)?c\b).)*?<(?:\w+:)?v>([^<]*)<",
    re.DOTALL,
)
_ROW_END = b"row>"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


class Sheet:
    """The rows of a sheet below its header; a row without any value is none.

    A formula counts as its value when the workbook was saved, an error such as ``#N/A`` as what it is, a merged cell as
    a value in the first of its cells. What stands above the header is left out, and told.

    :raises DataError: if it is no workbook that can be read, has no rows, or has them on several sheets of which none
        is chosen.
    :raises SettingError: if there is no sheet of the name.
    """

    schema = None
    windows = True

    def __init__(self, name: str, stream: IO[bytes], choice: Choice) -> None:
        self.name = name
        workbook = _open(name, stream)
        self._sheet = _choose(name, workbook, choice)
        self._left = self._sheet.start[1] if self._sheet.start else 0  # columns of the workbook before the first here
        self._errors = _find_errors(stream, self._sheet.name)
        self._header_row, self.header = self._find_header(choice)
        if not any(self.header):
            raise DataError("{name} has no header: expected a first row that names the columns", name=name)
        self._tell()

    def blocks(self, position: int) -> Iterator[list[Row]]:
        """Give rows whose text stands in the column at ``position``."""
        below = self._rows(self._header_row)
        rows: Iterator[Row] = (typed_row(values, position, number) for number, values in below)
        while block := list(itertools.islice(rows, RECORDS)):
            yield block

    def _rows(self, after: int = 0) -> Iterator[tuple[int, list[Any]]]:
        """Give the number of each row that has a value, and its cells."""
        errors = self._errors
        for number, cells in enumerate(self._sheet.iter_rows(), 1):
            if number > after:
                values = [_value(cell) for cell in cells]
                for column, error in errors.get(number, {}).items():
                    values[column - self._left] = error
                if any(value is not None for value in values):
                    yield number, values

    def _find_header(self, choice: Choice) -> tuple[int, list[str]]:
        """Find the row that names the columns: the first, or one with more cells below what is no table."""
        most, header, widest = 0, (0, [""]), (0, [""])
        for number, values in itertools.islice(self._rows(), ABOVE):
            filled = sum(value is not None for value in values)
            if filled <= most:
                continue
            names = [text_of(value) for value in values]
            most, widest, header = filled, (number, names), header if most else (number, names)
            if choice.fits(names):
                return number, names
        return header if sum(map(bool, header[1])) > 1 else widest

    def _tell(self) -> None:
        """Tell of what stands above the header, and of cells that are merged over several rows."""
        above = [number for number, _ in itertools.takewhile(lambda row: row[0] < self._header_row, self._rows())]
        if above:
            what = Sentence(
                "has its header in row {header_row}: what is above is left out", header_row=self._header_row
            )
            warnings.warn(DataWarning("{name} {what}", name=self.name, what=what), stacklevel=2)
        ranges = self._sheet.merged_cell_ranges or []
        merged = sorted(top + 1 for (top, _), (bottom, _) in ranges if bottom > top and bottom >= self._header_row)
        if merged:
            what = Sentence("merged over several rows, of which only the first has their value")
            where = which_rows(merged)
            warnings.warn(
                DataWarning("{name} has cells {what}: {where}", name=self.name, what=what, where=where), stacklevel=2
            )


def _open(name: str, stream: IO[bytes]) -> CalamineWorkbook:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise MissingExtra("python-calamine", "excel", Sentence("reading {name}", name=name)) from None
    try:
        return CalamineWorkbook.from_filelike(stream)
    except (CalamineError, OSError) as error:
        raise _damaged(name, error) from None


def _damaged(name: str, error: BaseException) -> DataError:
    remedy = Sentence("save it as .xlsx without a password, or as CSV")
    return DataError(
        "{name} is no workbook that can be read ({reason}): {remedy}",
        name=name,
        reason=Sentence(str(error).lower()),
        remedy=remedy,
    )


def _choose(name: str, workbook: CalamineWorkbook, choice: Choice) -> CalamineSheet:
    """Open the sheet that is named, or else the only one with rows that can be seen."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
    names = [sheet.name for sheet in sheets]
    if choice.sheet is not None:
        if choice.sheet not in names:
            there_is = nearest(choice.sheet, names)
            raise SettingError(
                "{name} has no sheet {sheet!r}{there_is}", name=name, sheet=choice.sheet, there_is=there_is
            )
        return _sheet(name, workbook, choice.sheet)
    seen = [sheet.name for sheet in sheets if sheet.visible is SheetVisibleEnum.Visible]
    with_rows = [opened for sheet in seen if (opened := _sheet(name, workbook, sheet)).start is not None]
    if len(with_rows) == 1:
        return with_rows[0]
    listed = ", ".join(opened.name for opened in with_rows)
    if listed:
        raise DataError("{name} has rows on the sheets {listed}: say which one by --sheet", name=name, listed=listed)
    hidden = ", ".join(sheet for sheet in names if sheet not in seen)
    hint = Sentence("expected a header and rows below it")
    if hidden:
        hint = Sentence(
            "expected a header and rows below it; --sheet reads one that is hidden: {hidden}", hidden=hidden
        )
    raise DataError("{name} is empty: {hint}", name=name, hint=hint)


def _sheet(name: str, workbook: CalamineWorkbook, sheet: str) -> CalamineSheet:
    from python_calamine import CalamineError

    try:
        return workbook.get_sheet_by_name(sheet)
    except CalamineError as error:
        raise _damaged(name, error) from None


def _value(cell: Any) -> Any:
    """Return a cell as Python has it, None for one that is empty; all numbers of a workbook are floats."""
    if cell == "":
        return None
    if type(cell) is float:
        return whole(cell)
    return cell


def _find_errors(stream: IO[bytes], sheet: str) -> Mapping[int, Mapping[int, CellError]]:
    """Find the errors of a sheet of .xlsx by row, from 1, and column, from 0; calamine gives them as empty cells."""
    errors: dict[int, dict[int, CellError]] = {}
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            path = _path_of(archive, sheet)
            for piece in _pieces(archive, path) if path else ():
                for letters, number, error in _ERROR.findall(piece):
                    errors.setdefault(int(number), {})[_column(letters)] = CellError(error.decode("utf-8", "replace"))
    except (zipfile.BadZipFile, ElementTree.ParseError):  # an older format, in which they stay empty
        return {}
    return errors


def _pieces(archive: zipfile.ZipFile, path: str) -> Iterator[bytes]:
    """Give the XML of a sheet in pieces that end with a row."""
    with archive.open(path) as file:
        rest = b""
        while data := file.read(PIECE):
            whole_rows, end, rest = (rest + data).rpartition(_ROW_END)
            yield whole_rows + end
        yield rest


def _path_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Find where the XML of a sheet lies; None where there is none."""
    if "xl/workbook.xml" not in archive.namelist():
        return None
    root = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    own = [found for found in root.iter() if found.tag.endswith("}sheet") and found.get("name") == sheet]
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    target = targets.get(own[0].get(_RELATION)) if own else None
    if target is None:
        return None
    path = target.removeprefix("/") if target.startswith("/") else str(PurePosixPath("xl", target))
    return path if path in archive.namelist() else None


def _column(letters: bytes) -> int:
    """Return the number of a column, from 0, of its letters."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number - 1
