"""Labelled texts, read from the shapes in which people keep them."""

from __future__ import annotations

import itertools
import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nlpkit.errors import DataError, DataWarning
from nlpkit.text.decoding import Decoded
from nlpkit.text.encodings import UNDECODABLE
from nlpkit.text.json_rows import JSON_LINES, NO_OBJECT, JsonRows, Object, as_written, holds_objects, value
from nlpkit.text.labels import check_guessed, is_missing
from nlpkit.text.line_numbers import SHOWN, Lines
from nlpkit.text.records import TABLES, Records, column_position, suffix_of
from nlpkit.text.row import UNDECODED, Row, is_number
from nlpkit.text.rows import TEXT_COLUMNS, open_rows, open_text

LABEL_COLUMNS = ("label", "sentiment", "class", "标签", "情感", "类别", "標籤")
SUFFIXES = (".txt", *TABLES, *JSON_LINES)  # of the files that are read in a folder
HEAD = 1000  # rows by which a shape is found out, and by which texts are told from numbers
MANY = 100  # more different numbers than this are no labels
NO_LABEL = "no label"
FASTTEXT = re.compile(r"(?<!\S)__label__(\S+)")
DOUBLED = re.compile(r"(.*),,([^,]{0,40})", re.DOTALL)  # TEXT,,LABEL, as nobody writes by chance
ENOUGH = 10  # lines that show what no chance does


@dataclass(slots=True)  # not frozen: that would make a million of them take three times as long
class Example:
    """A labelled text and the file that it came from."""

    text: str
    label: str
    corpus: str = ""
    group: str = ""


class Faults(Counter[str]):
    """How many rows were left out for each reason, and where the first of them stand.

    >>> faults = Faults()
    >>> faults.add("no label", "a.csv", 3)
    >>> faults.add("no label", "a.csv", 17)
    >>> str(faults)
    '2 no label (a.csv, lines 3 and 17)'
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, dict[str, Lines]] = {}  # the first files of each reason
        self.no_labels: Counter[str] = Counter()  # words that were taken for none: ``nan``, ``null``

    def add(self, reason: str, file: str, line: int = 0, label: str | None = None) -> None:
        """Count a row; line 0 means the whole file.

        :param label: what stood for its label.
        """
        self[reason] += 1
        if label and reason == NO_LABEL:
            self.no_labels[label.strip()] += bool(label.strip())
        files = self.places.setdefault(reason, {})
        if file in files or len(files) < SHOWN:
            lines = files.setdefault(file, Lines())
            if line:
                lines.add(line)

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {reason}{self._where(reason)}" for reason, count in self.most_common())

    def _where(self, reason: str) -> str:
        files = self.places.get(reason, {})
        found = [f"{file}, {lines}" if lines else file for file, lines in files.items()]
        more = self[reason] - sum(len(lines) or 1 for lines in files.values())
        return f" ({'; '.join(found + [f'and {more:,} more'] * (more > 0))})" if found else ""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that hold text, label and group; None where the usual name will do.

    ``labelled`` is false where only the texts are asked for: their label is then empty. ``kept`` are labels that would
    be taken for none. With ``blank_lines`` every line of a file of lines is a text as it stands, blank ones too.
    """

    text: str | None = None
    label: str | None = None
    group: str | None = None
    labelled: bool = True
    kept: Collection[str] = ()
    blank_lines: bool = False

    @property
    def named(self) -> list[str]:
        """Those that were asked for."""
        return [name for name in (self.text, self.label, self.group) if name]


def read_examples(
    path: str | Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    encoding: str | None = None,
    faults: Faults | None = None,
    kept: Collection[str] = (),
) -> Iterator[Example]:
    """Read a labelled corpus row by row; its shape is found out by its name and its first lines.

    A file is a table (.csv, .tsv, or a first line that names the columns), JSON objects a line, fastText's
    ``__label__LABEL TEXT``, or lines ``TEXT,,LABEL`` or with a tab between text and label. A folder holds such files,
    or a folder of .txt documents for each label. ``LABEL=FILE`` is a file of unlabelled texts that share a label.
    All files may be packed by gzip. Rows that cannot be used are left out, and counted in ``faults``: those without a
    label, for one, for which files also say ``nan``, ``null``, ``None`` or ``N/A``.

    :param group_column: a column whose value is kept as ``group``.
    :param kept: labels such as ``none`` that are meant.
    :raises DataError: if a file cannot be read, holds no labels, or holds numbers where text or labels should be.
    """
    columns = Columns(text_column, label_column, group_column, kept=kept)
    faults = Faults() if faults is None else faults
    label, file = label_and_file(path)
    if label is not None:
        yield from read_texts(file, label, column=text_column, encoding=encoding, faults=faults)
    elif file.is_dir():
        yield from _of_folder(file, columns, encoding, faults)
    else:
        yield from _of_file(file, columns, encoding, faults)


def read_unlabelled(
    path: str | Path,
    *,
    text_column: str | None = None,
    encoding: str | None = None,
    faults: Faults | None = None,
    blank_lines: bool = False,
) -> Iterator[Example]:
    """Read the texts of a corpus: of every shape that `read_examples` reads, and of lines that are nothing but text.

    A label is cut off a line only where nobody writes so by chance: ``TEXT,,LABEL``, ``__label__LABEL TEXT``. What is
    left out so, or of a table that is not named as one, is told by a `DataWarning`. All other lines stay whole.

    :param blank_lines: every line of a file of lines is a text as it stands, blank ones too: they follow each other.
    :raises DataError: if a file cannot be read, or holds numbers where texts should be.
    """
    columns = Columns(text_column, labelled=False, blank_lines=blank_lines)
    faults = Faults() if faults is None else faults
    label, file = label_and_file(path)
    if label is not None:
        found = read_texts(file, label, column=text_column, encoding=encoding, faults=faults)
    elif file.is_dir():
        found = _of_folder(file, columns, encoding, faults)
    else:
        found = _of_file(file, columns, encoding, faults)
    for example in found:
        yield Example(example.text, "", example.corpus)


def read_texts(
    path: str | Path, label: str, *, column: str | None = None, encoding: str | None = None, faults: Faults
) -> Iterator[Example]:
    """Read texts that share a label, a line each, or a column of a .csv or .tsv."""
    table = suffix_of(str(path)) in TABLES
    with open_rows(path, column=column if table else None, encoding=encoding, table=table) as source:
        rows = itertools.chain.from_iterable(source.blocks)
        for number, row in enumerate(rows, 1):
            if fault := row.fault or _lacks(row.text, label):
                faults.add(fault, source.name, row.line or number)
            else:
                yield Example(row.text, label, source.name)


def label_and_file(argument: str | Path) -> tuple[str | None, Path]:
    """What ``LABEL=FILE`` says; a path that exists is one, whatever its name."""
    label, equals, file = str(argument).partition("=")
    if not equals or not label.strip() or not file or Path(argument).exists():
        return None, Path(argument)
    return label.strip(), Path(file).expanduser()


def files_of(argument: str | Path) -> list[Path]:
    """Every file that `read_examples` reads, in its order."""
    _, path = label_and_file(argument)
    if not path.is_dir():
        return [path]
    folders, files = _contents(path)
    return files or [document for folder in folders for document in _documents(folder)]


def renamed(examples: Iterable[Example], names: Mapping[str, str]) -> Iterator[Example]:
    """Examples under the labels that ``names`` gives theirs; one renamed to nothing is left out, others keep theirs."""
    for e in examples:
        if label := names.get(e.label, e.label):
            yield Example(e.text, label, e.corpus, e.group)


def _of_file(path: Path, columns: Columns, encoding: str | None, faults: Faults) -> Iterator[Example]:
    with open_text(path, encoding=encoding) as decoded:
        yield from _reader(decoded, columns)(decoded, columns, faults)


def _reader(decoded: Decoded, columns: Columns) -> Callable[[Decoded, Columns, Faults], Iterator[Example]]:
    """How to read a file: its name tells, or else its first lines."""
    suffix = suffix_of(decoded.name)
    head = [line.rstrip("\r") for line in itertools.islice(filter(str.strip, decoded.head()), HEAD)]
    if suffix in JSON_LINES or (suffix not in TABLES and holds_objects(head)):
        return _of_json
    if suffix in TABLES or _names_columns(head[:1], columns):
        return _of_table
    if columns.blank_lines and not columns.named:
        return _of_whole_lines
    if 2 * sum(FASTTEXT.search(line) is not None for line in head) > len(head):
        return _of_fasttext
    return _of_lines(decoded.name, head, columns)


def _names_columns(first: Sequence[str], columns: Columns) -> bool:
    """Whether a first line is a header: it holds the columns asked for, or usual names of both text and label."""
    if not first or columns.named:
        return bool(first) and all(column in first[0] for column in columns.named)
    cells = {cell.strip(' "').lower() for cell in re.split(r"[,;\t]", first[0])}
    return not cells.isdisjoint(TEXT_COLUMNS) and not cells.isdisjoint(LABEL_COLUMNS)


def _of_table(decoded: Decoded, columns: Columns, faults: Faults) -> Iterator[Example]:
    records, name = Records(decoded), decoded.name
    text, label, group = _positions(name, records.header, columns)
    if not columns.labelled and not columns.named and suffix_of(name) not in TABLES:
        _tell(f"{name}: the first line is taken for a header, and only the column {records.header[text]!r} is read")
    rows: Iterator[Row] = itertools.chain.from_iterable(records.blocks(text))
    rows = _without_headers(rows, records.header, text, label, name, faults)
    if label is not None and columns.label is None:
        rows = _with_plausible_labels(rows, name, records.header[label], label, columns)
    examples = _of_rows(name, rows, label, group, columns, faults)
    yield from _plausible(examples, name, records.header[text], None if label is None else records.header[label])


def _positions(name: str, header: Sequence[str], columns: Columns) -> tuple[int, int | None, int | None]:
    text = column_position(name, header, columns.text, TEXT_COLUMNS, "--text-column")
    label = None
    if columns.labelled:
        label = column_position(name, header, columns.label, LABEL_COLUMNS, "--label-column")
    group = None if columns.group is None else column_position(name, header, columns.group, (), "--by")
    return text, label, group


def _without_headers(
    rows: Iterable[Row], header: Sequence[str], text: int, label: int | None, name: str, faults: Faults
) -> Iterator[Row]:
    """Rows but for headers among them, as ``cat a.csv b.csv`` leaves them."""
    judged = range(len(header)) if label is None else (text, label)
    names, word = {at: _bare(header[at]) for at in judged}, _bare(header[text])
    for row in rows:
        if word not in row.text:  # which is told in no time
            yield row
        elif len(header) > 1 and row.cells and all(_bare(row.cells[at]) == cell for at, cell in names.items()):
            faults.add("repeated header", name, row.line)
        else:
            yield row


def _bare(cell: str) -> str:
    return cell.strip("\ufeff \t")


def _with_plausible_labels(rows: Iterator[Row], name: str, header: str, label: int, columns: Columns) -> Iterator[Row]:
    """The same rows, unless the column that was taken for that of the labels cannot be."""
    head = list(itertools.islice(rows, HEAD))
    found = [(row.line, row.cells[label]) for row in head if row.cells]
    remedy = "say which column holds them by --label-column"
    check_guessed(name, f"a table with the labels in {header!r}", found, columns.kept, remedy)
    return itertools.chain(head, rows)


def _of_rows(
    name: str, rows: Iterable[Row], label: int | None, group: int | None, columns: Columns, faults: Faults
) -> Iterator[Example]:
    lacks = _Lacks(columns.kept)
    for row in rows:
        found = None if label is None else row.cells[label].strip()
        if fault := row.fault or lacks(row.text, found):
            faults.add(fault, name, row.line, found)
        else:
            yield Example(row.text, found or "", name, "" if group is None else row.cells[group])


def _of_json(decoded: Decoded, columns: Columns, faults: Faults) -> Iterator[Example]:
    rows = JsonRows(decoded)
    text = rows.field(columns.text, TEXT_COLUMNS, "--text-column")
    label = rows.field(columns.label, LABEL_COLUMNS, "--label-column") if columns.labelled else None
    group = rows.field(columns.group, (), "--by") if columns.group else None
    objects = iter(rows)
    if label is not None and columns.label is None:
        head = list(itertools.islice(objects, HEAD))
        said = [(found.number, as_written(value(found.fields or {}, label)) or "") for found in head]
        remedy = "say which key holds them by --label-column"
        check_guessed(rows.name, f"JSON with the labels in {label!r}", said, columns.kept, remedy)
        objects = itertools.chain(head, objects)
    examples = _of_objects(objects, rows.name, (text, label, group), columns, faults)
    yield from _plausible(examples, rows.name, text, label)


def _of_objects(
    objects: Iterable[Object], name: str, fields: tuple[str, str | None, str | None], columns: Columns, faults: Faults
) -> Iterator[Example]:
    """Examples of objects whose ``fields`` are text, label and group."""
    text, label, group = fields
    lacks = _Lacks(columns.kept if label else None)
    for found in objects:
        if found.fields is None:
            faults.add(UNDECODED if UNDECODABLE in found.written else NO_OBJECT, name, found.number)
            continue
        of_text = as_written(value(found.fields, text))
        of_label = as_written(value(found.fields, label)) if label else ""
        if of_text is None or of_label is None:
            faults.add("nested text" if of_text is None else "nested label", name, found.number)
        elif fault := _unreadable(found.written) or lacks(of_text, of_label if label else None):
            faults.add(fault, name, found.number, of_label)
        else:
            of_group = as_written(value(found.fields, group)) if group else ""
            yield Example(of_text, of_label.strip(), name, of_group or "")


def _of_fasttext(decoded: Decoded, columns: Columns, faults: Faults) -> Iterator[Example]:
    if not columns.labelled:
        _tell(f"{decoded.name}: __label__ and what follows are taken for the label of each line and left out")
    yield from _plausible(_of_prefixed(decoded, columns, faults), decoded.name)


def _of_prefixed(decoded: Decoded, columns: Columns, faults: Faults) -> Iterator[Example]:
    name = decoded.name
    for number, line in _numbered(decoded):
        labels = FASTTEXT.findall(line)
        text = FASTTEXT.sub("", line).strip() if labels else line
        label = "".join(labels)
        lacks = "several labels" if len(labels) > 1 else _lacks(text, label, columns.kept if columns.labelled else None)
        if fault := _unreadable(line) or lacks:
            faults.add(fault, name, number, label)
        else:
            yield Example(text, labels[0], name)


def _of_lines(
    name: str, head: Sequence[str], columns: Columns
) -> Callable[[Decoded, Columns, Faults], Iterator[Example]]:
    """Lines whose label stands behind the last comma, or beside a tab; whole lines where labels are not asked for."""
    if columns.named and head and 2 * sum(",," in line for line in head) < len(head):
        raise DataError(f"{name} has no column {columns.named[0]!r}: its first line is {head[0][:60]!r}")
    if not columns.labelled:
        return _of_doubled if _is_doubled(head) and not columns.blank_lines else _of_whole_lines
    if 2 * sum(line.count("\t") > 1 for line in head) > len(head):
        raise DataError(f"{name} has several tabs a line: expected a header above them that names text and label")
    for separator in ("\t", ","):
        if (last := _label_is_last(head, separator)) is not None:
            return partial(_of_pairs, separator=separator, last=last)
    raise DataError(
        f"{name} has no labels that can be found: expected a table or JSON lines with a column of texts and one of "
        f"labels, lines TEXT,,LABEL or __label__LABEL TEXT, or a folder for each label; if all its texts have one "
        f"label, say LABEL={name}"
    )


def _is_doubled(head: Sequence[str]) -> bool:
    """Whether most lines are ``TEXT,,LABEL``, and few labels come again and again."""
    found = [doubled[2].strip() for line in head if (doubled := DOUBLED.fullmatch(line))]
    return 2 * len(found) > len(head) and len(set(found)) <= max(2, len(found) // 2)


def _refuse_cells(name: str, head: Sequence[str]) -> None:
    """Refuse lines that have as many commas each, more than one: cells, of which nobody has said what they are.

    :raises DataError: that asks for a header.
    """
    commas = {line.count(",") for line in head}
    if len(head) < 2 or len(commas) > 1 or max(commas) < 2 or any("\t" in line or ",," in line for line in head):
        return
    if len(head) >= ENOUGH or all(is_number(line.split(",")[-2]) for line in head):
        raise DataError(
            f"{name} has {max(commas)} commas in each line: expected lines TEXT,LABEL or TEXT,,LABEL, or a header "
            "above them that names text and label"
        )


def _label_is_last(head: Sequence[str], separator: str) -> bool | None:
    """On which side of a separator the labels stand; None if on neither: there, few values come again and again."""
    parted = [line for line in head if separator in line]
    if not parted or 2 * len(parted) < len(head):
        return None
    sides = {True: [line.rpartition(separator)[2].strip() for line in parted]}
    if separator == "\t":
        sides[False] = [line.partition(separator)[0].strip() for line in parted]
    last = min(sides, key=lambda side: (len(set(sides[side])), sum(map(len, sides[side])), not side))
    doubled = 2 * sum(",," in line for line in parted) >= len(parted)  # nobody writes so by chance
    few = len(set(sides[last])) <= max(2, len(parted) // 2)
    return last if few or (doubled and separator == ",") else None


def _of_pairs(decoded: Decoded, columns: Columns, faults: Faults, *, separator: str, last: bool) -> Iterator[Example]:
    pair = _Pair(separator, last, decoded.head()[:HEAD])
    found = ((number, pair(line)[1]) for number, line in enumerate(decoded.head()[:HEAD], 1))
    labels = [(number, label) for number, label in found if label]
    tabbed = "TEXT and LABEL with a tab between" if last else "LABEL and TEXT with a tab between"
    shape = "TEXT,,LABEL" if separator == "," else tabbed
    remedy = "put a header above it that names the columns of text and label, and call it .csv or .tsv"
    check_guessed(decoded.name, f"lines {shape}", labels, columns.kept, remedy)
    _refuse_cells(decoded.name, list(filter(str.strip, decoded.head()[:HEAD])))
    yield from _plausible(_separated(decoded, pair, columns, faults), decoded.name)


class _Pair:
    """The text and the label of a line; None for the label of a line without a separator.

    Quotes around all texts, or all labels, of the first lines are none of theirs.
    """

    def __init__(self, separator: str, last: bool, head: Sequence[str]) -> None:
        self.separator, self._last = separator, last
        pairs = [pair for line in head if (pair := self._parted(line))[1]]
        self._text_quoted = bool(pairs) and all(_is_quoted(text) for text, _ in pairs)
        self._label_quoted = bool(pairs) and all(_is_quoted(label or "") for _, label in pairs)

    def __call__(self, line: str) -> tuple[str, str | None]:
        text, label = self._parted(line)
        if label is None:
            return text, None
        return _unquoted(text) if self._text_quoted else text, _unquoted(label) if self._label_quoted else label

    def _parted(self, line: str) -> tuple[str, str | None]:
        if self._last:
            text, found, label = line.rpartition(self.separator)
            text = text.removesuffix(",") if self.separator == "," else text
        else:
            label, found, text = line.partition(self.separator)
        return text.removesuffix("\r"), label.strip() if found else None


def _is_quoted(cell: str) -> bool:
    cell = cell.strip()
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def _unquoted(cell: str) -> str:
    return cell.strip()[1:-1].replace('""', '"') if _is_quoted(cell) else cell


def _of_doubled(decoded: Decoded, columns: Columns, faults: Faults) -> Iterator[Example]:
    """The texts of lines ``TEXT,,LABEL``."""
    _tell(f"{decoded.name}: what stands behind ,, is taken for the label of each line and left out")
    yield from _plausible(_plain(decoded, columns, faults, cut=True), decoded.name)


def _of_whole_lines(decoded: Decoded, columns: Columns, faults: Faults) -> Iterator[Example]:
    yield from _plausible(_plain(decoded, columns, faults), decoded.name)


def _tell(sentence: str) -> None:
    warnings.warn(sentence, DataWarning, stacklevel=3)


def _plain(decoded: Decoded, columns: Columns, faults: Faults, *, cut: bool = False) -> Iterator[Example]:
    """Lines as they stand.

    :param cut: but for a label behind two commas.
    """
    for number, line in _numbered(decoded):
        line = line.removesuffix("\r")
        blank = columns.blank_lines and not line.strip()
        text = doubled[1] if cut and (doubled := DOUBLED.fullmatch(line)) else line
        if fault := None if blank else _unreadable(line) or _lacks(text, None):
            faults.add(fault, decoded.name, number)
        else:
            yield Example(text, "", decoded.name)


def _separated(decoded: Decoded, pair: _Pair, columns: Columns, faults: Faults) -> Iterator[Example]:
    name, missing = decoded.name, "no comma" if pair.separator == "," else "no tab"
    lacks = _Lacks(columns.kept)
    for number, line in _numbered(decoded):
        text, label = pair(line)
        fault = lacks(text, label) if label is not None or not line.strip() else missing
        if fault := (_unreadable(line) if decoded.undecodable else None) or fault:
            faults.add(fault, name, number, label)
        else:
            yield Example(text, label or "", name)


def _numbered(decoded: Decoded) -> Iterator[tuple[int, str]]:
    return enumerate(itertools.chain.from_iterable(decoded.line_blocks()), 1)


def _of_folder(path: Path, columns: Columns, encoding: str | None, faults: Faults) -> Iterator[Example]:
    folders, files = _contents(path)
    for file in files:
        yield from _of_file(file, columns, encoding, faults)
    doubtful: list[str] = []
    for folder in folders:
        for document in _documents(folder):
            yield from _of_document(document, folder.name, encoding, faults, doubtful)
    if doubtful:
        sentence = f"{len(doubtful):,} documents of {path} are too short to show their encoding, {doubtful[0]} for one"
        warnings.warn(f"{sentence}: say it by --encoding", DataWarning, stacklevel=2)


def _contents(path: Path) -> tuple[list[Path], list[Path]]:
    """The folders of a folder that hold documents, or else its files; what is hidden counts for nothing."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir() and any(_documents(entry))]
    files = [entry for entry in entries if entry.is_file() and suffix_of(entry.name) in SUFFIXES]
    if bool(folders) != bool(files):
        return folders, files
    found = f"both the folder {folders[0].name} and the file {files[0].name}" if folders else "nothing to read"
    expected = f"expected a folder of .txt documents for each label, or files named {', '.join(SUFFIXES)}"
    raise DataError(f"{path} holds {found}: {expected}")


def _documents(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if not f.name.startswith(".") and suffix_of(f.name) == ".txt")


def _of_document(
    path: Path, label: str, encoding: str | None, faults: Faults, doubtful: list[str]
) -> Iterator[Example]:
    """A whole file as one text; one of thousands that cannot be read is a fault, not the end."""
    try:
        with open_text(path, encoding=encoding, tell=False) as decoded:
            text = "\n".join(line.removesuffix("\r") for _, line in _numbered(decoded)).strip()
            doubtful += [str(path)] if decoded.rival else []
    except DataError:
        faults.add("no text" if path.stat().st_size == 0 else "unreadable", str(path))
        return
    if fault := _unreadable(text) or _lacks(text, label):
        faults.add(fault, str(path))
    else:
        yield Example(text, label, str(path.parent.parent))


def _plausible(
    examples: Iterator[Example], name: str, text: str | None = None, label: str | None = None
) -> Iterator[Example]:
    """The same examples, unless texts or labels turn out to be numbers: a wrong column, as a rule."""
    head = list(itertools.islice(examples, HEAD))
    if head and not any(character.isalpha() for e in head for character in e.text):
        where = f"the column {text!r} of {name}" if text else name
        raise DataError(f"{where} holds numbers or signs, no text: {'say --text-column' if text else 'expected text'}")
    labels: set[str] = set()
    for e in itertools.chain(head, examples):
        if len(labels) <= MANY:
            labels.add(e.label)
            if len(labels) > MANY and all(map(is_number, labels)):
                where = f"the label column {label!r} of {name} holds" if label else f"the labels of {name} are"
                raise DataError(f"{where} more than {MANY} different numbers: expected a few labels")
        yield e


class _Lacks:
    """`_lacks` of many rows, which have few labels."""

    def __init__(self, kept: Collection[str] | None) -> None:
        self._kept = kept
        self._good: set[str] = set()

    def __call__(self, text: str, label: str | None) -> str | None:
        """What a row lacks."""
        if label in self._good and not text.isspace() and text:
            return None
        fault = _lacks(text, label, self._kept)
        if fault is None and label and len(self._good) < HEAD:
            self._good.add(label)
        return fault


def _lacks(text: str, label: str | None, kept: Collection[str] | None = None) -> str | None:
    """What a row lacks; a label of None is not asked for.

    :param kept: labels that are one though they say ``nan`` or the like; None for a label that somebody has named.
    """
    if not text.strip():
        return "no text"
    if label is None or (label.strip() and (kept is None or not is_missing(label.strip(), kept))):
        return None
    return NO_LABEL


def _unreadable(text: str) -> str | None:
    return UNDECODED if UNDECODABLE in text else None
