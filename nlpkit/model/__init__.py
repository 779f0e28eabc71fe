"""A saved model, and how it is run; never torch, but for what could not be exported."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
