"""Makes workbooks, and reads them back by what also reads those of others."""

import io
from datetime import date, datetime, time, timedelta

import xlsxwriter
from python_calamine import CalamineWorkbook

FORMATS = {datetime: "yyyy-mm-dd hh:mm:ss", date: "yyyy-mm-dd", time: "hh:mm:ss", timedelta: "[h]:mm:ss"}


class Formula(str):
    """What stands in a cell, as ``formula = value``; Excel has saved the value."""


def workbook(sheets, *, hidden=(), merged=()):
    """Return the bytes of a workbook: rows by the names of its sheets; ``merged`` cells are those of the first."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        formats = {kind: book.add_format({"num_format": code}) for kind, code in FORMATS.items()}
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            if name in hidden:
                sheet.hide()
            for row, values in enumerate(rows):
                for column, value in enumerate(values):
                    write(sheet, row, column, value, formats)
        for top, left, bottom, right, value in merged:
            book.worksheets()[0].merge_range(top, left, bottom, right, value)
    return content.getvalue()


def write(sheet, row, column, value, formats):
    if value is None:
        return
    if isinstance(value, Formula):
        formula, _, saved = value.partition(" = ")
        sheet.write_formula(row, column, f"={formula}", None, saved)
    elif type(value) in formats:
        sheet.write_datetime(row, column, value, formats[type(value)])
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, str):
        sheet.write_string(row, column, value)
    else:
        sheet.write_number(row, column, value)


def cells_of(data):
    """Return the rows of the only sheet of a workbook; of an empty cell the empty text."""
    (sheet,) = CalamineWorkbook.from_filelike(io.BytesIO(data)).sheet_names
    return CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_name(sheet).to_python(skip_empty_area=False)
