"""What the commands that read corpora have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from nlpkit.commands import say
from nlpkit.errors import SettingError
from nlpkit.text.labels import rename_options

if TYPE_CHECKING:
    from nlpkit.tasks.sentiment.metrics import Neglect
    from nlpkit.text.corpus import Example, Faults
    from nlpkit.text.labels import Alike

BALANCED = "--set training.class_weights=balanced"
WORDS = 4  # that were taken for no label, named
COLUMN = click.option("--column", "-c", help="Column of the text.")
LABEL_COLUMN = click.option("--label-column", help="Column of the label.")
ENCODING = click.option("--encoding", help="Of the input; found out unless said: UTF-8, GB18030, Big5, UTF-16.")
LABEL = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="FOUND=NAME",
    help="Rename a label of the corpus: 1=positive; 3= leaves its rows out.",
)


def read_rows(corpora: Sequence[str], **query: Any) -> Iterator[Example]:
    """Read rows as they are asked for; at the end say on stderr how many were left out and why.

    :param query: what is read, as `nlpkit.text.catalogue.examples_of` has it.
    """
    from nlpkit.text.catalogue import examples_of
    from nlpkit.text.corpus import Faults

    faults = Faults()
    for corpus in corpora:
        yield from examples_of(corpus, faults=faults, **query)
    say_left_out(faults)


def say_left_out(faults: Faults) -> None:
    """Say on stderr how many rows were left out and why, if any were."""
    if faults:
        say(f"{faults.total():,} rows were left out: {faults}")
    if faults.no_labels:
        words = ", ".join(f"{word!r} ({rows:,})" for word, rows in faults.no_labels.most_common(WORDS))
        first = faults.no_labels.most_common(1)[0][0]
        say(f"taken for no label: {words}; {rename_options({first: first})} keeps it as a class")


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


def told_alike(groups: Sequence[Alike]) -> Iterator[str]:
    """A sentence on labels that look alike, if there are any."""
    if not groups:
        return
    listed = "; ".join(
        " and ".join(f"{label!r} ({rows:,} rows)" for label, rows in group.rows.items()) for group in groups
    )
    options = rename_options({old: new for group in groups for old, new in group.renames.items()})
    remedy = f"say {options}" if options else "write them alike in the file"
    yield f"labels that look alike are classes of their own: {listed}; to join them, {remedy}"


def told_neglect(labels: Mapping[str, Neglect], place: str, *, balanced: bool) -> Iterator[str]:
    """A sentence on rare labels that are answered too rarely, if there are any.

    :param place: whose rows show it.
    :param balanced: whether the model was trained so that each label counted as much as any other.
    """
    if not labels:
        return
    found = ", ".join(f"{of.rows:,} are {label!r}, the answer to {of.answers:,}" for label, of in labels.items())
    remedy = "give more rows of it" if balanced else f"train with {BALANCED}"
    yield (
        f"what was rare in training is answered far less often than it occurs: of the {place} rows, {found}: {remedy}"
    )
