import io
import sys
from datetime import date, datetime
from decimal import Decimal

import pyarrow
import pytest
from pyarrow import parquet

from nlpkit.errors import DataError, MissingExtra
from nlpkit.text.corpus import Faults, read_examples
from nlpkit.text.rows import open_rows


def file_of(columns, **options):
    content = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), content, **options)
    return content.getvalue()


def rows_of(data, **options):
    with open_rows(io.BytesIO(data), **options) as source:
        return [row for block in source.blocks for row in block]


def test_rows_come_by_thousands_with_their_numbers():
    texts = [f"第{n}个很好" for n in range(10_000)]
    with open_rows(io.BytesIO(file_of({"n": list(range(10_000)), "评价": texts}, row_group_size=3000))) as source:
        blocks = list(source.blocks)
    assert source.header == ["n", "评价"]
    assert max(map(len, blocks)) < 5000
    rows = [row for block in blocks for row in block]
    assert [row.text for row in rows] == texts
    assert [row.line for row in rows] == list(range(1, 10_001))
    assert rows[9_999].cells == ["9999", "第9999个很好"]


def test_cells_of_any_type_are_texts_and_values():
    columns = {
        "text": ["好"],
        "when": [datetime(2024, 1, 31, 9, 5)],
        "day": [date(2024, 1, 31)],
        "price": [Decimal("12.50")],
        "share": [float("nan")],
        "tags": [["快", "好"]],
        "shop": [{"id": 1, "since": date(2024, 1, 31)}],
        "none": pyarrow.nulls(1),
        "kind": pyarrow.array(["书"]).dictionary_encode(),
        "fine": pyarrow.array([1_700_000_000_000_000_001], pyarrow.timestamp("ns")),
    }
    (row,) = rows_of(file_of(columns))
    expected = ["好", "2024-01-31 09:05:00", "2024-01-31", "12.50", "", '["快", "好"]']
    assert row.cells[:-1] == [*expected, '{"id": 1, "since": "2024-01-31"}', "", "书"]
    assert row.cells[-1].endswith("20.000000001")
    assert row.values[3] == Decimal("12.50")


def test_what_is_no_text_has_a_reason():
    columns = {"text": pyarrow.array(["好".encode(), b"\xff\xfe", None]), "tags": [["好"], [], None]}
    assert [(row.text, row.fault) for row in rows_of(file_of(columns))] == [
        ("好", None),
        ("��", "undecodable bytes"),
        ("", None),
    ]
    assert [row.fault for row in rows_of(file_of(columns), column="tags")] == ["nested text", "nested text", None]


def test_labels_may_be_numbers_categories_or_lists_of_one(write):
    for labels in ([1.0, 0.0, None], pyarrow.array(["1", "0", None]).dictionary_encode(), [["1"], ["0"], []]):
        faults = Faults()
        path = write(file_of({"text": ["好", "坏", "行"], "label": labels}), "a.parquet")
        assert [(e.text, e.label) for e in read_examples(path, faults=faults)] == [("好", "1"), ("坏", "0")]
        assert faults == {"no label": 1}


def test_a_damaged_file_is_told_in_a_sentence():
    good = file_of({"text": ["好" * 100]})
    for data in (good[:-20], good[:4] + b"\x15" + bytes(range(60, 120)) + good[-50:]):
        with pytest.raises(DataError, match="stdin is a Parquet file that cannot be read: "):
            rows_of(data)


def test_what_reads_parquet_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"reading stdin needs pyarrow, .* '.\[parquet\]'"):
        rows_of(file_of({"text": ["好"]}))
