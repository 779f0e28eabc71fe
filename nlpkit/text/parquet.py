"""Reads the rows of a Parquet file, some thousands at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from nlpkit.errors import DataError, MissingExtra, Sentence
from nlpkit.text.cells import typed_row
from nlpkit.text.records import RECORDS
from nlpkit.text.row import Row


class ParquetTable:
    """The rows of a Parquet file.

    :raises DataError: if it is damaged, or has no columns.
    """

    windows = False

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self.name = name
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise MissingExtra("pyarrow", "parquet", Sentence("reading {name}", name=name)) from None
        self._error = pyarrow.ArrowException
        try:
            self._file = parquet.ParquetFile(stream)
            self.schema = self._file.schema_arrow
        except (pyarrow.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        self.header: list[str] = list(self.schema.names)
        if not self.header:
            raise DataError("{name} has no columns: expected one of texts", name=name)

    def blocks(self, position: int) -> Iterator[list[Row]]:
        """Give rows whose text stands in the column at ``position``."""
        number = 0
        for batch in self._batches():
            columns = zip(*(_values(column) for column in batch.columns), strict=True)
            yield [typed_row(values, position, number + at + 1, batch, at) for at, values in enumerate(columns)]
            number += batch.num_rows

    def _batches(self) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(RECORDS)
        except (self._error, OSError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: BaseException) -> DataError:
        reason = str(error).partition("\n")[0].rstrip(".").lower()
        return DataError("{name} is a Parquet file that cannot be read: {reason}", name=self.name, reason=reason)


def _values(column: Any) -> list[Any]:
    """Return what stands in a column; as texts what Python has no values for, such as nanoseconds."""
    import pyarrow

    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return column.cast(pyarrow.binary()).to_pylist()  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        return column.cast(pyarrow.string()).to_pylist()  # type: ignore[no-any-return]
