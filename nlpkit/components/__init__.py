"""Our own components; the entry points of nlpkit's distribution name each, as a stranger's do."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
