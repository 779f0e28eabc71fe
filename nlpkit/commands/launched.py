"""What a command says where torchrun has started it several times: all that is said, it says once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from nlpkit.training.launch import ToldElsewhere, has_word, read_place


@contextmanager
def speak_once() -> Iterator[None]:
    """Let only the first process speak, and of an error only the one whose it is to tell.

    :raises click.exceptions.Exit: in place of an error that another tells.
    """
    if read_place().count == 1:
        yield
        return
    streams = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        if read_place().rank:
            sys.stdout = sys.stderr = nothing
        try:
            yield
        except ToldElsewhere:
            raise click.exceptions.Exit(1) from None
        except click.exceptions.Exit:
            raise
        except Exception:
            if has_word():
                raise
            raise click.exceptions.Exit(1) from None
        finally:
            sys.stdout, sys.stderr = streams
