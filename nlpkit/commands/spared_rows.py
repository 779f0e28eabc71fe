"""Rows on which a stranger's code fails: each gets a reason that names whose it is, and the others their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nlpkit.errors import PluginError, Sentence
from nlpkit.plugins.installed import is_stranger
from nlpkit.plugins.registry import registry
from nlpkit.plugins.surroundings import watch_work

if TYPE_CHECKING:
    from nlpkit.tasks.base import Task
    from nlpkit.text.row import Row

MOST_FAILED = 16  # rows that may fail one by one before any is answered; then it is no fault of the rows


def find_owner(task: Task) -> str | None:
    """Return whose a task is, where it is a stranger's."""
    component = registry().find("task", task.name)
    theirs = component is not None and component.factory is task and is_stranger(component.distribution)
    return component.whole_name if component and theirs else None


class SparingAnswer:
    """Answers rows as a method of a model does, and goes on where that fails.

    :param owner: of the task, as `find_owner` has it.
    :param answer: of the model.
    """

    def __init__(self, owner: str | None, answer: Callable[[Sequence[Row]], Sequence[Any]]) -> None:
        self._owner = owner
        self._answer, self._answered, self._failed = answer, 0, 0

    def trust(self) -> None:
        """Take it that rows can be answered, which another process finds out by the first of them."""
        self._answered = max(self._answered, 1)

    def __call__(self, rows: Sequence[Row]) -> Sequence[Any]:
        """Answer rows; one on which a stranger's code fails has that as its reason.

        :raises PluginError: if it fails on all of them.
        """
        try:
            return self._ask(rows)
        except Exception as error:
            if explain(error) is None:
                raise
        reasons = dict(self._find_failing(rows))
        if len(reasons) == len(rows) and not self._answered:
            raise PluginError("{reason}", reason=reasons[0])
        return self._ask([replace(row, fault=reasons.get(at, row.fault)) for at, row in enumerate(rows)])

    def _ask(self, rows: Sequence[Row]) -> Sequence[Any]:
        with watch_work(self._owner):
            answers = self._answer(rows)
        if self._owner:
            _check(answers, len(rows), self._owner)
        self._answered += len(rows)
        return answers

    def _find_failing(self, rows: Sequence[Row], first: int = 0) -> Iterator[tuple[int, str]]:
        """Find the rows on which it fails by halving; yield the number of each, and why.

        :param first: number of the first of these rows.
        """
        try:
            self._ask(rows)
        except Exception as error:
            reason = explain(error)
            if reason is None:
                raise
            if len(rows) > 1:
                half = len(rows) // 2
                yield from self._find_failing(rows[:half], first)
                yield from self._find_failing(rows[half:], first + half)
                return
            self._failed += 1
            if not self._answered and self._failed >= MOST_FAILED:
                raise reason from error
            yield first, str(reason)


def explain(error: Exception) -> PluginError | None:
    """Return a sentence of what a stranger's code raised; None if it was not a stranger's."""
    return error if isinstance(error, PluginError) else registry().blame(error)


def _check(answers: object, rows: int, owner: str) -> None:
    """Refuse what a stranger's task returns if it is not an answer for each row.

    :raises PluginError: saying what it is.
    """
    if not isinstance(answers, list | tuple) or len(answers) != rows:
        found = (
            Sentence("{answers} answers", answers=len(answers))
            if isinstance(answers, list | tuple)
            else f"a {type(answers).__name__}"
        )
        raise PluginError(
            "{owner} returns {found}, where a list with an answer for each of {rows} rows was expected",
            owner=owner,
            found=found,
            rows=rows,
        )
    if wrong := [answer for answer in answers if "reason" not in getattr(answer, "_fields", ())]:
        raise PluginError(
            "{owner} returns {wrong!r:.80} among its answers, where a named tuple with a reason was expected",
            owner=owner,
            wrong=wrong[0],
        )
