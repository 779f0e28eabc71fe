"""nlpkit: text analysis for Chinese.

>>> import nlpkit
>>> nlpkit.load("reviews").score(["质量很好，下次还来"])[0].label
'positive'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlpkit.errors import (
        BundleError,
        DataError,
        MissingExtra,
        MissingPlugin,
        NlpkitError,
        PluginError,
        SettingError,
    )
    from nlpkit.hookspecs import hookimpl
    from nlpkit.inference.sentiment import Score, SentimentModel, load
    from nlpkit.protocols import BatchTokenizer, Embedding, Encoder, Tokenizer

__version__ = "0.1.0"
_HOMES = {
    "nlpkit.errors": (
        "BundleError",
        "DataError",
        "MissingExtra",
        "MissingPlugin",
        "NlpkitError",
        "PluginError",
        "SettingError",
    ),
    "nlpkit.hookspecs": ("hookimpl",),
    "nlpkit.inference.sentiment": ("Score", "SentimentModel", "load"),
    "nlpkit.protocols": ("BatchTokenizer", "Embedding", "Encoder", "Tokenizer"),
}
__all__ = [
    "BatchTokenizer",
    "BundleError",
    "DataError",
    "Embedding",
    "Encoder",
    "MissingExtra",
    "MissingPlugin",
    "NlpkitError",
    "PluginError",
    "Score",
    "SentimentModel",
    "SettingError",
    "Tokenizer",
    "hookimpl",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a plugin's ``from nlpkit import hookimpl`` must not pay for numpy."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'nlpkit' has no attribute {name!r}")
