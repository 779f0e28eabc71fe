"""What the commands that read corpora have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from nlpkit.commands import say
from nlpkit.errors import SettingError

if TYPE_CHECKING:
    from nlpkit.corpus import Example, Faults

TEXT_COLUMN = click.option("--text-column", help="Column of the text.")
LABEL_COLUMN = click.option("--label-column", help="Column of the label.")
ENCODING = click.option("--encoding", help="Of the input; found out unless said: UTF-8, GB18030, Big5, UTF-16.")
LABEL = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="FOUND=NAME",
    help="Rename a label of the corpus: 1=positive; 3= leaves its rows out.",
)


def labelled_rows(corpora: Sequence[str], **columns: str | None) -> Iterator[Example]:
    """Read labelled rows as they are asked for; at the end say on stderr how many were left out and why."""
    from nlpkit.catalogue import examples_of

    return _rows(examples_of, corpora, **columns)


def unlabelled_rows(corpora: Sequence[str], **columns: str | None) -> Iterator[Example]:
    """The same of rows whose labels, if there are any, do not matter."""
    from nlpkit.catalogue import texts_of

    return _rows(texts_of, corpora, **columns)


def _rows(read: Callable[..., Iterable[Example]], corpora: Sequence[str], **columns: str | None) -> Iterator[Example]:
    from nlpkit.corpus import Faults

    faults = Faults()
    for corpus in corpora:
        yield from read(corpus, faults=faults, **columns)
    say_left_out(faults)


def say_left_out(faults: Faults) -> None:
    """Say on stderr how many rows were left out and why, if any were."""
    if faults:
        say(f"{faults.total():,} rows were left out: {faults}")


def counted(faults: Counter[str]) -> str:
    """``3 empty, 1 no label``."""
    return ", ".join(f"{n:,} {reason}" for reason, n in faults.most_common())


def renames(pairs: Iterable[str]) -> dict[str, str]:
    """What the values of ``--label`` say.

    :raises SettingError: for one that is no FOUND=NAME.
    """
    found = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals or not old:
            raise SettingError(f"--label expects FOUND=NAME such as 1=positive, found {pair!r}")
        found[old] = new
    return found
