"""nlpkit: text analysis for Chinese.

>>> import nlpkit
>>> nlpkit.SentimentModel.load("reviews").score(["质量很好，下次还来"])[0].label
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
    from nlpkit.inference.cloze import ClozeModel, Filled, Filling
    from nlpkit.inference.generate import GenerationModel, Text
    from nlpkit.inference.opening import load
    from nlpkit.inference.sampling import Sampling
    from nlpkit.inference.sentiment import Score, SentimentModel
    from nlpkit.protocols import BatchTokenizer, Decoder, Embedding, Encoder, OutputEmbedding, OutputLayer, Tokenizer

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
    "nlpkit.inference.cloze": ("ClozeModel", "Filled", "Filling"),
    "nlpkit.inference.generate": ("GenerationModel", "Text"),
    "nlpkit.inference.opening": ("load",),
    "nlpkit.inference.sampling": ("Sampling",),
    "nlpkit.inference.sentiment": ("Score", "SentimentModel"),
    "nlpkit.protocols": (
        "BatchTokenizer",
        "Decoder",
        "Embedding",
        "Encoder",
        "OutputEmbedding",
        "OutputLayer",
        "Tokenizer",
    ),
}
__all__ = [
    "BatchTokenizer",
    "BundleError",
    "ClozeModel",
    "DataError",
    "Decoder",
    "Embedding",
    "Encoder",
    "Filled",
    "Filling",
    "GenerationModel",
    "MissingExtra",
    "MissingPlugin",
    "NlpkitError",
    "OutputEmbedding",
    "OutputLayer",
    "PluginError",
    "Sampling",
    "Score",
    "SentimentModel",
    "SettingError",
    "Text",
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
