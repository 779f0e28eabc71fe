"""What a table is, and which of a file is meant; its cells may have types, as in workbooks and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nlpkit.text.row import Row

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
TYPED = (*WORKBOOKS, ".parquet")
LOCK = "~$"  # begins the name of what Excel puts beside a workbook that is open


@dataclass(frozen=True)
class Choice:
    """Which table of a file is read, and by what its header is known.

    :param sheet: of a workbook; None: the only one that holds rows.
    :param columns: that somebody has named.
    :param usual: names of which the header has one, where nobody has named any.
    """

    sheet: str | None = None
    columns: Sequence[str] = ()
    usual: Sequence[str] = ()

    def fits(self, names: Sequence[str]) -> bool:
        """Tell whether some cells are the header that is looked for."""
        if self.columns:
            return all(column in names for column in self.columns)
        return any(name.strip().lower() in self.usual for name in names)


class Table(Protocol):
    """An open table: the names of its columns, and its rows."""

    name: str
    header: list[str]

    def blocks(self, position: int) -> Iterator[list[Row]]:
        """Give rows whose text stands in the column at ``position``."""
        ...


class TypedTable(Table, Protocol):
    """One whose rows are `nlpkit.text.cells.TypedRow`.

    ``schema`` is that of a Parquet file, None of others; ``windows`` says whether Excel has written it, or its kin.
    """

    schema: Any
    windows: bool
