"""Files as people have them: any encoding, dialect, packing and shape, with odd characters; and what they hold."""

import bz2
import csv
import gzip
import io
import json
import lzma
from dataclasses import dataclass, replace

from hypothesis import strategies as st

ODD = (
    "\",;\t\r\n'\\|"  # of tables
    "\x0b\x0c\x1b\x1c\x1e\x7f\x85\xa0\xad\u2028\u2029"  # what some take for white space or a line's end
    "\u200b\u200d\u200e\u202e\u2066\ufe0f\ufeff\u3000"  # what nobody sees
    "éßñЖאش한かカ㐀𠀀👍👨‍👩‍👧🇨🇳￥％＂，"
)
SENTENCES = (
    "质量很好，下次还来",
    "物流慢，服务态度差",
    "用了两天就坏了！",
    "還行吧 OK",
    "好",
    "房間很乾淨，早餐也不錯",
)
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "gbk", "cp950", "utf-16", "utf-16-le", "utf-16-be")
NATURAL = {"cp950": "房間很乾淨，下次還會再來"}  # by which the encoding of an odd file can be told
PACKINGS = {"": lambda data: data, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}

texts = st.one_of(
    st.sampled_from(SENTENCES),
    st.text(st.sampled_from("好差棒慢的货a1 " + ODD), max_size=10),
    st.builds("".join, st.lists(st.sampled_from([*SENTENCES, *ODD]), max_size=6)),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
)


@dataclass(frozen=True)
class Strange:
    """A file and what is in it.

    :param rows: of a table its cells, of lines one text each, of JSON objects.
    :param kind: table, lines or json.
    :param ambiguous: whether what its quotes enclose looks like rows, so that they may be taken for stray, and told.
    """

    name: str
    data: bytes
    encoding: str
    kind: str
    rows: list
    header: list[str]
    ambiguous: bool = False


def fits(text: str, encoding: str) -> str:
    """As much of a text as an encoding has."""
    return text.encode(encoding, "ignore").decode(encoding) if text else text


def natural(encoding: str) -> str:
    """What somebody may have written in an encoding."""
    return NATURAL.get(encoding, SENTENCES[0])


@st.composite
def tables(draw) -> Strange:
    """A table that Python's csv wrote."""
    encoding, end = draw(st.sampled_from(ENCODINGS)), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    suffix = draw(st.sampled_from([".csv", ".tsv"]))
    delimiter = "\t" if suffix == ".tsv" else draw(st.sampled_from([",", ";"]))
    quoting = csv.QUOTE_ALL if end == "\r" else draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    header = draw(st.sampled_from([["text"], ["id", "text"], ["text", "label", "note"]]))
    cells = draw(st.lists(st.lists(texts, min_size=len(header), max_size=len(header)), min_size=1, max_size=6))
    rows = [*([fits(cell, encoding) for cell in row] for row in cells), [natural(encoding)] * len(header)]
    if quoting == csv.QUOTE_MINIMAL:  # csv quotes no CR where lines end in LF: at the end of one nobody can tell it
        rows = [[cell.replace("\r", "") if end == "\n" else cell for cell in row] for row in rows]
    stream = io.StringIO()
    said = f"sep={delimiter}{end}" * draw(st.booleans())
    csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([header, *rows])
    packing = draw(st.sampled_from(sorted(PACKINGS)))
    data = PACKINGS[packing]((said + stream.getvalue()).encode(encoding))
    ambiguous = delimiter == "\t" and any("\t" in cell and {"\n", "\r"} & set(cell) for row in rows for cell in row)
    return Strange(f"a{suffix}{packing}", data, encoding, "table", rows, header, ambiguous)


@st.composite
def unquoted(draw) -> Strange:
    """A table parted by tabs, without quoting: whatever quotes stand in it are part of a text."""
    encoding, end = draw(st.sampled_from(ENCODINGS)), draw(st.sampled_from(["\n", "\r\n"]))
    mostly = st.text(st.sampled_from('好差"，'), max_size=8) | texts
    cells = draw(st.lists(st.lists(mostly, min_size=2, max_size=2), min_size=1, max_size=12))
    forbidden = str.maketrans("", "", "\t\n\r")
    rows = [*([fits(cell.translate(forbidden), encoding) for cell in row] for row in cells), [natural(encoding)] * 2]
    text = end.join("\t".join(row) for row in [["id", "text"], *rows, [""]])
    found = Strange("a.tsv", text.encode(encoding), encoding, "table", rows, ["id", "text"])
    return replace(found, rows=by_quotes(text) or rows)


def by_quotes(text: str) -> list[list[str]] | None:
    """The rows of a table whose quotes, by chance, enclose whole cells on their lines: nobody can tell it."""
    try:
        found = [next(csv.reader([line], delimiter="\t", strict=True)) for line in text.split("\n")[1:-1]]
    except csv.Error:
        return None
    plain = [line.rstrip("\r").split("\t") for line in text.split("\n")[1:-1]]
    inside = any('"' in cell and cell[0] != '"' for row in plain for cell in row)
    return None if inside or any(len(row) != 2 for row in found) else found


@st.composite
def lines(draw) -> Strange:
    """A text a line; without tabs, as names above cells parted by tabs are a table."""
    encoding, end = draw(st.sampled_from(ENCODINGS)), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    found = draw(st.lists(texts, min_size=1, max_size=8))
    forbidden = str.maketrans("", "", "\n\r" if end != "\n" else "\n")
    rows = [fits(text.translate(forbidden), encoding).replace("\t", "").rstrip("\r") for text in found]
    rows.append(natural(encoding))
    rows[0] = rows[0].lstrip("\ufeff") or "好"  # a byte order mark; and an empty file is refused
    packing = draw(st.sampled_from(sorted(PACKINGS)))
    data = PACKINGS[packing]((end.join(rows) + end).encode(encoding))
    return Strange(f"a.txt{packing}", data, encoding, "lines", rows, [])


@st.composite
def objects(draw) -> Strange:
    """Objects of JSON, a line each or in an array."""
    encoding = draw(st.sampled_from(("utf-8", "utf-8-sig", "gb18030", "utf-16")))
    values = texts | st.integers() | st.none() | st.booleans() | st.lists(texts, max_size=2)
    more = st.dictionaries(texts.filter(lambda name: name != "text"), values, max_size=2)
    rows = [{"text": text, **fields} for text, fields in draw(st.lists(st.tuples(texts, more), min_size=1, max_size=5))]
    ascii_only = draw(st.booleans())
    if draw(st.booleans()):
        written = json.dumps(rows, ensure_ascii=ascii_only, indent=draw(st.sampled_from([None, 1])))
    else:
        written = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
    name = draw(st.sampled_from(["a.json", "a.jsonl"]))
    return Strange(name, written.encode(encoding), encoding, "json", rows, [])


def files() -> st.SearchStrategy[Strange]:
    """Any of them."""
    return st.one_of(tables(), unquoted(), lines(), objects())
