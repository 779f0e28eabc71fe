"""What torchrun tells each process that it starts, and which of them has the word; to be read without torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from nlpkit.errors import NlpkitError

LAUNCHED = "TORCHELASTIC_RUN_ID"  # which torchrun sets, and others that set RANK for their own ends do not
DEFAULTS = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


class Parted(NlpkitError):  # noqa: N818 - it says what has happened
    """Another process of the run has ended before its time."""


class ToldElsewhere(NlpkitError):  # noqa: N818 - it says what has happened
    """The run has ended, and another process says why."""


@dataclass(frozen=True)
class Place:
    """The place of this process among those that train the same network.

    :param rank: its number; 0 is the first, which alone writes, and speaks.
    :param count: of processes on all machines.
    :param local: its number among those of this machine.
    """

    rank: int = 0
    count: int = 1
    local: int = 0


ALONE = Place()
_has_word = False


def read_place() -> Place:
    """Read where torchrun has put this process; alone, if it was not started so."""
    if LAUNCHED not in os.environ:
        return ALONE
    return Place(*(int(os.environ.get(name, default)) for name, default in DEFAULTS.items()))


def take_the_word() -> None:
    """Let this process say why the run ends, whichever it is."""
    global _has_word
    _has_word = True


def has_word() -> bool:
    """Whether this process says why the run ends: the first one, unless another has taken the word."""
    return _has_word or read_place().rank == 0
