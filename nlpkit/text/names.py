"""Names of columns: such as are free, such as are unique."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Container, Sequence

from nlpkit.errors import SettingError


def read_names(names: str) -> list[str]:
    """Read names with commas between them; a name that holds a comma stands in double quotes.

    >>> read_names('negative, "good, very"')
    ['negative', 'good, very']

    :raises SettingError: for what nobody could read so: names of several lines.
    """
    try:
        rows = list(csv.reader([names], skipinitialspace=True))
    except csv.Error:
        raise SettingError(
            "names stand on one line, with commas between them, found {names!r:.80}", names=names
        ) from None
    return [name.strip() for row in rows for name in row if name.strip()]


def find_free_name(name: str, others: Container[str]) -> str:
    """Return a name for what is answered: itself, or one that nothing has yet."""
    tries = itertools.chain([name, f"predicted_{name}"], (f"predicted_{name}_{n}" for n in itertools.count(2)))
    return next(name for name in tries if name not in others)


def make_unique(names: Sequence[str]) -> list[str]:
    """Return names of columns of which no two are the same: the second ``n`` is ``n_2``."""
    result: list[str] = []
    for at, name in enumerate(names):
        others = {*result, *names[at + 1 :]} if name in result else set()
        tries = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2)))
        result.append(next(candidate for candidate in tries if candidate not in others))
    return result
