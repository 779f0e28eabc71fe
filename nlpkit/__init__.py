"""nlpkit: text analysis for Chinese.

>>> import nlpkit
>>> nlpkit.SentimentModel.load("reviews").score(["质量很好，下次还来"])[0].label
'positive'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nlpkit.version import __version__ as __version__

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
    from nlpkit.model.opening import load
    from nlpkit.plugins.base import (
        Decoder,
        Embedding,
        Encoder,
        OutputEmbedding,
        OutputLayer,
        SharedEmbedding,
        StaticEmbedding,
        Tokenizer,
    )
    from nlpkit.plugins.hookspecs import hookimpl
    from nlpkit.tasks.cloze.model import ClozeModel, Filled, Filling
    from nlpkit.tasks.generate.model import GenerationModel, Text
    from nlpkit.tasks.generate.sampling import Sampling
    from nlpkit.tasks.sentiment.model import Score, SentimentModel

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
    "nlpkit.plugins.hookspecs": ("hookimpl",),
    "nlpkit.tasks.cloze.model": ("ClozeModel", "Filled", "Filling"),
    "nlpkit.tasks.generate.model": ("GenerationModel", "Text"),
    "nlpkit.model.opening": ("load",),
    "nlpkit.tasks.generate.sampling": ("Sampling",),
    "nlpkit.tasks.sentiment.model": ("Score", "SentimentModel"),
    "nlpkit.plugins.base": (
        "Decoder",
        "Embedding",
        "Encoder",
        "OutputEmbedding",
        "OutputLayer",
        "SharedEmbedding",
        "StaticEmbedding",
        "Tokenizer",
    ),
}
__all__ = [
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
    "SharedEmbedding",
    "StaticEmbedding",
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
