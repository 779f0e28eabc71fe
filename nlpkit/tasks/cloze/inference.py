"""Members of a cloze model as inference runs them: blanks in, a logit for each answer out; never torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.model.bundle import ARRAYS, CONFIG, Bundle
from nlpkit.model.members import (
    Floats,
    check_length,
    load_arrays,
    open_decoder,
    open_graph,
    require_torch,
    run_sorted,
)
from nlpkit.plugins.base import Decoder
from nlpkit.tasks.cloze.blanks import BEGIN, BLANK, END, Blank, FillingMember
from nlpkit.text.vocabulary import Ids, Ints, Tokens, Vocabulary

# maps ids and mask ``(batch, time)`` and the position of each row's blank ``(batch,)`` to outputs ``(batch, width)``
Run: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]], NDArray[Any]]


class FillingNetwork:
    """A network that reads the tokens around a blank, and a decoder that reads words from what it puts out.

    :param run: the network, whatever executes it.
    :param max_length: tokens on either side of the blank that the network sees, the nearest.
    :raises ValueError: if that is no whole number of at least 1.
    """

    def __init__(self, vocabulary: Vocabulary, run: Run, decoder: Decoder, max_length: int) -> None:
        self.decoder = decoder
        self._vocabulary, self._run, self._max_length = vocabulary, run, check_length(max_length, 1)

    def logits(self, blanks: Sequence[Blank]) -> Floats:
        """Map blanks to logits ``(batch, answers)``; a blank's logits do not depend on the others."""
        return self.decoder.logits(self.outputs(blanks)).astype(np.float64)

    def outputs(self, blanks: Sequence[Blank]) -> Floats:
        """Map blanks to the network's outputs ``(batch, width)``, which `decoder` reads."""
        ids, at = cut_windows(self._vocabulary, blanks, self._max_length)
        return run_sorted(ids, self._run, at)


def cut_windows(vocabulary: Vocabulary, blanks: Sequence[Blank], max_length: int) -> tuple[Ids, Ints]:
    """Return what a network reads of each blank, and where in it the blank stands ``(batch,)``.

    A row is `BEGIN`, the tokens before, `BLANK`, those behind, `END`; other blanks are `BLANK`, too. A side of more
    than ``max_length`` tokens keeps those nearest to the blank, and not the mark at its end.
    """
    sides = [side for blank in blanks for side in (blank.left[-max_length:], blank.right[:max_length])]
    ids = _encode(vocabulary, sides)
    rows, at = [], []
    for blank, left, right in zip(blanks, ids[::2], ids[1::2], strict=True):
        begin = [BEGIN] if len(left) == len(blank.left) else []
        end = [END] if len(right) == len(blank.right) else []
        rows.append(np.concatenate([begin, left, [BLANK], right, end]).astype(np.int32))
        at.append(len(begin) + len(left))
    return Ids.of(rows), np.array(at, dtype=np.int64)


def _encode(vocabulary: Vocabulary, sides: Sequence[Sequence[str | None]]) -> list[NDArray[np.int32]]:
    """Return ids of each side, one a token."""
    tokens = Tokens.of([[token or "" for token in side] for side in sides])
    empty = np.array([token is None for side in sides for token in side], dtype=np.bool_)
    ids = vocabulary.encode(tokens)
    return np.split(np.where(empty, BLANK, ids.grid[0]), ids.starts[1:-1])


def open_member(bundle: Bundle, entry: dict[str, Any], vocabulary: Vocabulary, answers: Sequence[str]) -> FillingMember:
    """Make the member that an entry of config.json describes.

    :raises MissingPlugin: if its output embedding is not installed.
    :raises MissingExtra: if it needs torch, which is not installed.
    :raises BundleError: if its files are damaged.
    """
    with bundle.report_damage(CONFIG):
        name, kind = entry["name"], entry["kind"]
        if kind != "network":
            raise ValueError(f"the member {name} is of the unknown kind {kind!r}")
    with bundle.report_damage(f"{name}/{ARRAYS}"):
        arrays = load_arrays(bundle.read(f"{name}/{ARRAYS}"))
        decoder = open_decoder(entry["output"], arrays, len(answers))
    with bundle.report_damage(CONFIG):
        network = _open_network(bundle, entry, vocabulary, answers)
        return FillingNetwork(vocabulary, network, decoder, entry["max_length"])


def _open_network(bundle: Bundle, entry: dict[str, Any], vocabulary: Vocabulary, answers: Sequence[str]) -> Run:
    if entry["runtime"] not in ("graph", "torch"):
        raise ValueError(f"the runtime {entry['runtime']!r:.40} is unknown")
    if entry["runtime"] == "graph":
        graph = open_graph(bundle, entry["name"])
        return lambda ids, mask, at: graph.run("outputs", ids=ids, mask=mask, at=at)
    require_torch(bundle, entry["name"])  # the one way by which inference needs it
    from nlpkit.tasks.cloze.network import restore

    return restore(bundle, entry, vocabulary, answers).run
