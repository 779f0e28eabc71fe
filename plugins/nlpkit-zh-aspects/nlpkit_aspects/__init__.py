"""The task ``aspects`` for nlpkit: what a text says of what, and whether it is good or bad; light."""

from __future__ import annotations

from pathlib import Path


def restaurant_opinions() -> Path:
    """Return the folder of the model that comes with it."""
    return Path(__file__).parent / "restaurant-opinions"
