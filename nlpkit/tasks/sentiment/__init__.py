"""Sentiment: is a text good or bad, or whatever the labels say, and how sure are we."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
