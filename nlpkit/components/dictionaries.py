"""User dictionaries: a word a line, then an optional frequency and an optional tag."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from nlpkit.errors import DataError
from nlpkit.text.invisible import visible
from nlpkit.text.line_numbers import Lines

MOST = 10**9  # the greatest frequency; those of jieba's own dictionary add up to 60 million
JIEBA_TAGS = """
    a ad ag an b c d df dg e eng f g h i j k l m mg mq n ng nr nrfg nrt ns nt nz o p q r rg rr rz s t tg u ud ug
    uj ul uv uz v vd vg vi vn vq x y z zg
"""
ICTCLAS_TAGS = """
    al bl cc ni nl nn np nr1 nr2 nrf nrj nsf nw pba pbei qt qv ry rys ryt ryv rzs rzt rzv ude1 ude2 ude3 udeng udh
    uguo ule ulian uls usuo uyy uzhe uzhi vf vl vshi vx vyou w wb wd wf wh wj wky wkz wm wn wp ws wt ww wyy wyz xu
    xx
"""
TAGS = frozenset((JIEBA_TAGS + ICTCLAS_TAGS).split())
_TAG = re.compile("[a-z][a-z0-9_]*")
_NUMBER = re.compile(r"[+-]?\d+")
_SEPARATORS = {
    "\t": re.compile("\t"),
    ",": re.compile("[,，]"),
    ";": re.compile("[;；]"),
    "|": re.compile("[|｜]"),
    " ": re.compile(r"\s+"),
}
_AROUND = " \t,，"
_SURE = "\t, "  # separators that part a tag without a frequency, too
_ANY = re.compile(r"[\t,，;；|｜\s]+")
_NO_WHOLE_NUMBER = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+e[+-]?\d+|\d+\.\d*e[+-]?\d+)", re.IGNORECASE)
_GLUED = re.compile(r"[\u3400-\u9fff]\s*[:：=/\\]\s*(\d+|[a-z]{1,4})$")  # 好用:100, 好用/a
_COMMENT = re.compile(r"(#+|//+|--+)(\s.*)?", re.DOTALL)
HEADERS = """
    word words token term freq frequency count weight tag pos flag nature
    词 词语 单词 词条 词频 频率 频次 次数 权重 词性
"""
OTHER_TAGS = """
    adj adv noun verb prep conj pron propn num aux det intj part punct nn nns vv va nr cd ad
"""
_HEADER, _OTHER_TAGS = frozenset(HEADERS.split()), frozenset(OTHER_TAGS.split())
_LINE = re.compile("\r\n|\n|\r")
_OLDER = re.compile(r"(?P<word>.+?)(?:\s+(?P<freq>[0-9]+))?(?:\s+(?P<tag>[a-zA-Z]+))?")


class Entry(NamedTuple):
    """A word, how frequent it is (None: enough to stay whole; 0: it is no word), and its part of speech."""

    word: str
    frequency: int | None = None
    tag: str | None = None


@dataclass(frozen=True)
class UserDictionary:
    """A dictionary as it was read.

    :param text: all of it.
    :param remarks: sentences about lines that cannot be used, or that may have been meant otherwise.
    """

    entries: Sequence[Entry]
    text: str
    remarks: Sequence[str]


def read_dictionary(path: str) -> UserDictionary:
    """Read a file, in whatever encoding texts may be.

    :raises DataError: if it cannot be read, or a frequency is none.
    """
    from nlpkit.text.decoding import Decoded  # not for whoever has no dictionary
    from nlpkit.text.encodings import UNDECODABLE

    try:
        with Path(path).open("rb") as file:
            data = file.read()
    except OSError as error:
        raise DataError(
            "the user dictionary {path} cannot be read: {reason}", path=path, reason=error.strerror
        ) from error
    if not data.strip():
        return UserDictionary([], "", [])
    decoded = Decoded(path, io.BytesIO(data))
    dictionary = parse_dictionary("".join(decoded.chunks()).replace(UNDECODABLE, "\ufffd"), path)
    doubt = decoded.doubted("if so, save it in UTF-8")
    return replace(dictionary, remarks=[doubt, *dictionary.remarks]) if doubt else dictionary


def parse_dictionary(text: str, name: str) -> UserDictionary:
    """Read the lines of a dictionary.

    A tab or a comma before the frequency ends the word, so that this may end in a number; otherwise white space does.
    A last field is a tag if jieba knows it or, behind a frequency, if it is in small letters. So ``小米 13 Ultra`` is a
    word. A semicolon or a bar parts as well where a frequency follows. Quotes around a field are none of it.

    :raises DataError: for a frequency that is negative or too large.
    """
    entries: dict[str, Entry] = {}
    unusable, doubtful, whole, other = Lines(), Lines(), Lines(), Lines()
    first = True
    for number, line in _split_lines(text):
        fault = _find_fault(line) or ("a header" if first and _is_header(line) else None)
        first = False
        if fault:
            unusable.add(number, fault)
            continue
        entry, sure = _parse_line(line, f"{name}, line {number}")
        if not entry.word or _is_comment(entry.word):
            unusable.add(number, "a comment" if entry.word else "no word")
            continue
        if entry[1:] == (None, None) and _may_be_more(line):
            whole.add(number, f"{entry.word!r}")
        if not sure:
            what = f"tag {entry.tag!r}" if entry.tag else f"frequency {entry.frequency}"
            doubtful.add(number, f"the word {entry.word!r} and the {what}")
        if entries.pop(entry.word, entry).frequency != entry.frequency:
            other.add(number, f"{entry.word!r}")
        entries[entry.word] = entry
    return UserDictionary(list(entries.values()), text, _list_remarks(name, unusable, doubtful, whole, other))


def _list_remarks(name: str, unusable: Lines, doubtful: Lines, whole: Lines, other: Lines) -> list[str]:
    """Return a sentence for each kind of lines that there are."""
    repeat = "repeats" if len(other) == 1 else "repeat"
    findings = (
        (unusable, "cannot be used"),
        (doubtful, "may be meant otherwise: if all of a line is the word, put a tab and a frequency behind it"),
        (
            whole,
            "may hold more than a word, taken for one as it stands: part a whole number and a tag of jieba's by tabs",
        ),
        (other, f"{repeat} a word with another frequency, which counts"),
    )
    return [f"{name}: {lines} {what}" for lines, what in findings if lines]


def decode_dictionary(data: bytes) -> str:
    """Return the text of a dictionary as models keep it.

    :raises DataError: if the bytes are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            "the user dictionary is not UTF-8: byte {start} is 0x{data:02x}", start=error.start, data=data[error.start]
        ) from None


def parse_older_dictionary(data: bytes) -> list[Entry]:
    """Entries as models read them that were made before `parse_dictionary`.

    :raises DataError: if the bytes are not UTF-8.
    """
    matches = (_OLDER.fullmatch(line.strip()) for line in decode_dictionary(data).splitlines() if line.strip())
    return [Entry(m["word"], int(m["freq"]) if m["freq"] else None, m["tag"]) for m in matches if m]


def _split_lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbers and contents of lines that hold anything, without what nobody sees."""
    for number, line in enumerate(_LINE.split(text), start=1):
        if line.strip("\ufeff \t\u3000"):
            yield number, visible(line).strip()


def _find_fault(line: str) -> str | None:
    if not line:
        return "no word"
    return "bytes that fit no character" if "\ufffd" in line else None


def _is_header(line: str) -> bool:
    """Whether a first line names columns."""
    fields = [_unquote(field).lower() for field in _ANY.split(line)]
    return len(fields) > 1 and all(field in _HEADER for field in fields)


def _is_comment(word: str) -> bool:
    """Whether what was taken for a word begins as comments do; ``#`` alone is a word."""
    match = _COMMENT.fullmatch(word)
    return bool(match and (match[2] or "").strip())


def _may_be_more(line: str) -> bool:
    """Whether a line that was taken for a word as a whole looks as if it told a frequency or a tag besides."""
    word, *others = [_unquote(field) for field in _ANY.split(line) if field]
    if "\t" in line or _GLUED.search(line):
        return True
    if not others:
        return False
    last = others[-1].lower()
    if last in _OTHER_TAGS or (not word.isascii() and (last in TAGS or _NO_WHOLE_NUMBER.fullmatch(last))):
        return True
    return any(_NUMBER.fullmatch(a) and b in TAGS for a, b in itertools.pairwise(others))


def _unquote(field: str) -> str:
    """Strip a field of the quotes that CSV puts around it."""
    if len(field) > 2 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"').strip()
    return field


def _parse_line(line: str, where: str) -> tuple[Entry, bool]:
    """Return what a line says, and whether that is beyond doubt."""
    for separator, pattern in _SEPARATORS.items():
        fields = [_unquote(field.strip()) for field in pattern.split(line)]
        while len(fields) > 1 and not fields[-1]:
            fields.pop()
        if parts := _parse_fields(fields, where):
            words, frequency, tag = parts
            if frequency is None and separator not in _SURE:
                continue
            word = _unquote(separator.join(words).strip(_AROUND))
            sure = tag is None or (tag.lower() in TAGS and not (frequency is None and word.isascii()))
            sure = sure and "\t" not in word and (frequency is not None or not _may_be_more(word))
            return Entry(word, frequency, tag), sure
    return Entry(_unquote(line.strip(_AROUND))), True


def _parse_fields(fields: Sequence[str], where: str) -> tuple[Sequence[str], int | None, str | None] | None:
    """Fields of the word, frequency and tag; None where the last says neither."""
    if len(fields) > 2 and _NUMBER.fullmatch(fields[-2]) and _is_tag(fields[-1]):
        return fields[:-2], _parse_frequency(fields[-2], where), fields[-1]
    if len(fields) > 1 and _NUMBER.fullmatch(fields[-1]):
        return fields[:-1], _parse_frequency(fields[-1], where), None
    if len(fields) > 1 and fields[-1] in TAGS:
        return fields[:-1], None, fields[-1]
    return None


def _is_tag(field: str) -> bool:
    """Whether what follows a frequency is a tag; those that are known may be in capitals, but not a single one."""
    return bool(_TAG.fullmatch(field)) or (len(field) > 1 and field.isupper() and field.lower() in TAGS)


def _parse_frequency(field: str, where: str) -> int:
    if field.startswith("-"):
        raise DataError(
            "{where}: the frequency is negative: {field}; it is a whole number from 0 to {most:,}",
            where=where,
            field=field[:20],
            most=MOST,
        )
    if len(field) > 20 or int(field) > MOST:
        raise DataError(
            "{where}: the frequency is too large: {field}; it is a whole number from 0 to {most:,}",
            where=where,
            field=field[:20],
            most=MOST,
        )
    return int(field)
