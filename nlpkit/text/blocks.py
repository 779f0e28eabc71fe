"""Items that come one by one, put together."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def blocks_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Put so many items together at a time."""
    remaining = iter(items)
    while block := list(itertools.islice(remaining, size)):
        yield block


def blocks_of_texts(texts: Iterable[Any], characters: int, most: int = sys.maxsize) -> Iterator[list[Any]]:
    """Put texts together that have so many characters, or as many texts as are allowed."""
    block: list[Any] = []
    size = 0
    for text in texts:
        block.append(text)
        size += len(text) if isinstance(text, str) else 0
        if len(block) == most or size >= characters:
            yield block
            block, size = [], 0
    if block:
        yield block
