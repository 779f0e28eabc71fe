"""The trained models that come with nlpkit."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "models"
reviews = _FOLDER / "reviews"
reviews_chars = _FOLDER / "reviews-chars"
reviews_cloze = _FOLDER / "reviews-cloze"
