"""Rows of a file as prompts: what the methods of a model that its verb names return."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nlpkit.tasks.generate.sampling import Sampling
from nlpkit.tasks.generate.task import SEEDS, TextOptions
from nlpkit.text.row import Row, unfit

if TYPE_CHECKING:
    from nlpkit.tasks.generate.model import GenerationModel, Text


class Written(NamedTuple):
    """What was written of one row.

    :param text: without the prompt; None where the row could not be gone on from, and ``reason`` says why.
    :param ended: why the text ended: end (the model ended it), stop, or length.
    :param seed: with the ``number`` of the text, that by which it comes out again.
    """

    text: str | None
    ended: str | None
    seed: int
    number: int
    reason: str | None = None


def make_writer(model: GenerationModel, options: TextOptions) -> Callable[[Sequence[Row]], list[Written]]:
    """Return what goes on from rows, side by side; the texts of all that it is given are numbered on and on."""
    seed, number, more = _draw_seed(options), options.first, _read(options)

    def write(rows: Sequence[Row]) -> list[Written]:
        nonlocal number
        begin, number = number, number + len(rows)
        prompts = ["" if _fault_of(row) else row.text for row in rows]
        texts = model.generate(prompts, seed=seed, first=begin, **more) if rows else []
        pairs = enumerate(zip(rows, texts, strict=True), start=begin)
        return [_answer(row, text, seed, at) for at, (row, text) in pairs]

    return write


def make_streamer(model: GenerationModel, options: TextOptions) -> Callable[[Row], Generator[str, None, Written]]:
    """Return what goes on from a row, piece by piece."""
    seed, more = _draw_seed(options), _read(options)

    def stream(row: Row) -> Generator[str, None, Written]:
        if _fault_of(row):
            return _answer(row, None, seed, options.first)
        text = yield from model.stream(row.text, seed=seed, first=options.first, **more)
        return _answer(row, text, seed, options.first)

    return stream


def _draw_seed(options: TextOptions) -> int:
    return secrets.randbelow(SEEDS) if options.seed is None else options.seed


def _read(options: TextOptions) -> dict[str, Any]:
    """Return what `GenerationModel.generate` takes of the options, but the numbers of texts.

    :raises SettingError: for a number out of its range.
    """
    o = options
    sampling = Sampling(o.temperature, o.top_k, o.top_p, o.penalty, o.no_repeat)
    return {"length": o.length, "stop": o.stop or None, "through": o.through, "sampling": sampling}


def _fault_of(row: Row) -> str | None:
    return row.fault or unfit(row.text)


def _answer(row: Row, text: Text | None, seed: int, number: int) -> Written:
    fault = _fault_of(row)
    if fault or text is None:
        return Written(None, None, seed, number, fault)
    return Written(text.text, text.ended, seed, number)
