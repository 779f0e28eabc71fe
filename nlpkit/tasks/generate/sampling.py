"""How the next token is drawn from logits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import SettingError

RECENT = 64  # tokens whose repetition is penalised
GREEDY = 0.01  # a temperature below it takes the likeliest
NEAR = 128  # tokens among which no run stands twice


@dataclass(frozen=True)
class Sampling:
    """How to draw; the same for all texts of a batch.

    :param temperature: what logits are divided by, at most 100: below 1 what is likely becomes likelier; below 0.01 the
        likeliest is taken, so that no number overflows.
    :param top_k: draw among so many of the likeliest; 0 for all.
    :param top_p: draw among the likeliest that together have this probability (nucleus sampling: Holtzman et al. 2020,
        https://arxiv.org/abs/1904.09751).
    :param penalty: by how much a logit is lessened for each time that its token stands among the last 64, at most 100.
    :param no_repeat: no run of so many tokens stands twice among the last 128, so that what is likeliest does not
        go round and round (Paulus et al. 2017, https://arxiv.org/abs/1705.04304); 0 for any.
    :raises SettingError: for a value out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    penalty: float = 0.0
    no_repeat: int = 6

    def __post_init__(self) -> None:
        if not (_is_number(self.temperature) and 0 <= self.temperature <= 100):
            raise SettingError("temperature must be from 0 to 100, was: {temperature}", temperature=self.temperature)
        if not is_count(self.top_k):
            raise SettingError("top_k must be a whole number that is not negative, was: {top_k}", top_k=self.top_k)
        if not (_is_number(self.top_p) and 0 < self.top_p <= 1):
            raise SettingError("top_p must be above 0 and at most 1, was: {top_p}", top_p=self.top_p)
        if not (_is_number(self.penalty) and 0 <= self.penalty <= 100):
            raise SettingError("penalty must be from 0 to 100, was: {penalty}", penalty=self.penalty)
        if not (is_count(self.no_repeat) and self.no_repeat != 1):
            raise SettingError("no_repeat must be 0, or 2 or more, was: {no_repeat}", no_repeat=self.no_repeat)

    def draw(self, logits: NDArray[Any], numbers: NDArray[Any], recent: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw a column of each row of logits ``(batch, tokens)``: ``(batch,)``.

        :param numbers: drawn evenly from [0, 1), one a row ``(batch,)``.
        :param recent: the columns that were drawn last ``(batch, any)``, -1 for none.
        """
        if self.penalty:
            logits = self._penalise(logits, recent)
        if self.temperature < GREEDY:
            return np.asarray(logits.argmax(1))
        if self.top_k or self.top_p < 1:
            return self._draw_among_likeliest(logits, numbers)
        chances = np.exp((logits - logits.max(1, keepdims=True)) / np.float32(self.temperature))
        return _choose_columns(chances, numbers)

    def _penalise(self, logits: NDArray[Any], recent: NDArray[np.int64]) -> NDArray[Any]:
        logits = logits.copy()
        rows, places = np.nonzero(recent >= 0)
        np.subtract.at(logits, (rows, recent[rows, places]), np.float32(self.penalty))
        return logits

    def _draw_among_likeliest(self, logits: NDArray[Any], numbers: NDArray[Any]) -> NDArray[np.int64]:
        """Draw among the likeliest columns alone, in their order."""
        size = min(self.top_k or logits.shape[1], logits.shape[1])
        likeliest = np.argpartition(-logits, size - 1, 1)[:, :size]
        likeliest = np.take_along_axis(likeliest, np.argsort(-np.take_along_axis(logits, likeliest, 1), 1), 1)
        sorted_logits = np.take_along_axis(logits, likeliest, 1)
        chances = np.exp((sorted_logits - sorted_logits[:, :1]) / np.float32(self.temperature))
        if self.top_p < 1:
            before = np.cumsum(chances, 1, dtype=np.float64) - chances
            chances[(before > 0) & (before >= self.top_p * chances.sum(1, keepdims=True))] = 0
        return np.asarray(np.take_along_axis(likeliest, _choose_columns(chances, numbers)[:, None], 1)[:, 0])


class WrittenRuns:
    """The runs of tokens that one text holds, and what may not follow its last ones, lest a run stand there twice.

    :param size: tokens of a run, at least 2.
    """

    def __init__(self, size: int) -> None:
        self._followers: dict[tuple[int, ...], dict[int, int]] = {}  # by the tokens before: where each stood last
        self._last: deque[int] = deque(maxlen=size - 1)
        self._written = 0

    def add(self, column: int) -> None:
        """Take the column that was drawn."""
        if len(self._last) == self._last.maxlen:
            self._followers.setdefault(tuple(self._last), {})[column] = self._written
        self._last.append(column)
        self._written += 1

    def forbid(self, logits: NDArray[Any]) -> None:
        """Make impossible, in logits ``(tokens,)``, what would repeat a run, unless nothing else is left."""
        followers = self._followers.get(tuple(self._last), {})
        if columns := [column for column, at in followers.items() if self._written - at < NEAR]:
            kept = logits[columns].copy()
            logits[columns] = -np.inf
            if not np.isfinite(logits).any():
                logits[columns] = kept


def _choose_columns(chances: NDArray[Any], numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Return the column of each row at which the sum of chances ``(batch, n)`` passes the number's share of all."""
    sums = np.cumsum(chances, 1, dtype=np.float64)
    columns = (sums <= (numbers * sums[:, -1])[:, None]).sum(1)
    return np.asarray(np.minimum(columns, chances.shape[1] - 1))


def is_count(value: object) -> bool:
    """Tell whether something is a whole number that is not negative."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
