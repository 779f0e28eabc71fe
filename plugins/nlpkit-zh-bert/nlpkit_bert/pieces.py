"""The tokenizer ``wordpiece``: needs the library tokenizers, never torch or transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nlpkit
from nlpkit import DataError, SettingError
from nlpkit.text import Tokens
from tokenizers import Encoding, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from nlpkit_bert.folder import CONFIG, DESCRIBED, PIECES, TOKENIZER, TOKENIZER_CONFIG, locate, read_config, read_json

PADDING, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
MARKS = 2


class WordpieceTokenizer(nlpkit.Tokenizer):
    """Pieces of a text between ``[CLS]`` and ``[SEP]``; no more than ``longest``, the last of which is ``[SEP]``.

    A text without any piece has no tokens. What reads like a mark in a text is text. ``cut`` is the number of texts so
    far that had more.

    :param files: tokenizer.json, in the format of the library tokenizers.
    :param longest: tokens in a text, the two marks among them.
    :raises ValueError: if a text could have no piece, or the file is damaged.
    """

    embeddings = ("bert", "trainable")

    def __init__(self, files: dict[str, bytes], *, longest: int) -> None:
        if TOKENIZER not in files:
            raise ValueError(f"the files that were kept lack {TOKENIZER}")
        self.config: dict[str, Any] = {"longest": longest}
        self.files = files
        self.longest, self.cut = longest, 0
        self._pieces = Tokenizer.from_buffer(files[TOKENIZER])
        self._pieces.no_padding()
        self._pieces.enable_truncation(longest)
        self._pieces.encode_special_tokens = True
        self._names = _list_names(pieces_of(self._pieces))

    @property
    def pieces(self) -> dict[str, int]:
        """The number of each piece."""
        return pieces_of(self._pieces)

    def tokenize(self, text: str) -> list[str]:
        """Cut a text: ``"质量好"`` becomes ``["[CLS]", "质", "量", "好", "[SEP]"]``."""
        return self.batch([text]).lists()[0]

    def batch(self, texts: Sequence[str]) -> Tokens:
        """Cut all texts at once, as `tokenize` does."""
        found = self._pieces.encode_batch_fast([_drop_surrogates(text) for text in texts])
        return Tokens.of([self._row(encoding) for encoding in found])

    def _row(self, encoding: Encoding) -> list[str]:
        ids = encoding.ids
        self.cut += len(ids) == self.longest and bool(encoding.overflowing)
        return [self._names[i] for i in ids] if len(ids) > MARKS else []


def read(model: str | None, longest: int) -> Tokenizer:
    """Read the pieces of a model, as `WordpieceTokenizer` wants them.

    :param model: a folder, or a name of the hub.
    :raises SettingError: if the model has less than ``longest`` positions.
    :raises DataError: if the folder has no tokenizer, or a damaged one.
    """
    folder = locate(model, DESCRIBED)
    if (folder / CONFIG).is_file() and longest > (positions := read_config(folder)["max_position_embeddings"]):
        raise SettingError(
            "longest is {longest}, but {folder} has {positions} positions: set longest={positions}",
            longest=longest,
            folder=folder,
            positions=positions,
        )
    return read_folder(folder)


def read_folder(folder: Path) -> Tokenizer:
    """Read tokenizer.json in a folder, or else vocab.txt and tokenizer_config.json.

    :raises DataError: if none is there, or it is no tokenizer of a BERT.
    """
    if (folder / TOKENIZER).is_file():
        path, found = folder / TOKENIZER, _read_whole(folder / TOKENIZER)
    elif (folder / PIECES).is_file():
        path, found = folder / PIECES, _read_pieces(folder)
    else:
        raise DataError(
            "{folder} has no tokenizer: {tokenizer} or {pieces} should be in it",
            folder=folder,
            tokenizer=TOKENIZER,
            pieces=PIECES,
        )
    if not isinstance(found.model, WordPiece):
        raise DataError(
            "{path} cuts by {kind}, and only WordPiece goes: take a BERT", path=path, kind=type(found.model).__name__
        )
    known = pieces_of(found)
    if missing := [mark for mark in (PADDING, UNKNOWN, FIRST, LAST) if mark not in known]:
        raise DataError("{path} lacks {missing}: is it that of a BERT?", path=path, missing=missing[0])
    found.post_processor = BertProcessing((LAST, known[LAST]), (FIRST, known[FIRST]))
    return found


def pieces_of(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the number of each piece, in the order of the numbers."""
    known = tokenizer.get_vocab(with_added_tokens=True)
    return dict(sorted(known.items(), key=lambda item: item[1]))


def dump(tokenizer: Tokenizer) -> dict[str, bytes]:
    """Return the files that a tokenizer is made of; how long a text may be is none of their business."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return {TOKENIZER: tokenizer.to_str().encode()}


def _read_whole(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_buffer(path.read_bytes())
    except OSError as error:
        raise DataError("{path} cannot be read: {reason}", path=path, reason=error.strerror) from error
    except ValueError as error:
        raise DataError("{path} is damaged: {error}", path=path, error=error) from error


def _read_pieces(folder: Path) -> Tokenizer:
    """Make a tokenizer as transformers does: https://huggingface.co/docs/transformers/model_doc/bert#transformers.BertTokenizer."""
    path, more = folder / PIECES, folder / TOKENIZER_CONFIG
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise DataError("{path} cannot be read: {reason}", path=path, reason=error.strerror) from error
    except UnicodeDecodeError as error:
        raise DataError("{path} is not UTF-8 at byte {start}", path=path, start=error.start) from None
    how = read_json(more) if more.is_file() else {}
    found = Tokenizer(WordPiece({piece: number for number, piece in enumerate(lines)}, unk_token=UNKNOWN))
    found.normalizer = BertNormalizer(
        handle_chinese_chars=how.get("tokenize_chinese_chars", True),
        strip_accents=how.get("strip_accents"),
        lowercase=how.get("do_lower_case", True),
    )
    found.pre_tokenizer = BertPreTokenizer()
    return found


def _list_names(known: Mapping[str, int]) -> list[str]:
    names = [UNKNOWN] * (max(known.values()) + 1)
    for piece, number in known.items():
        names[number] = piece
    return names


def _drop_surrogates(text: str) -> str:
    """Drop halves of surrogate pairs, which stand for no character and which the library refuses."""
    return text.encode("utf-8", "ignore").decode("utf-8")
