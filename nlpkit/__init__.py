"""nlpkit: text analysis for Chinese.

>>> import nlpkit
>>> nlpkit.SentimentModel.load("reviews").score(["质量很好，下次还来"])[0].label
'positive'
"""

import lazy_loader

from nlpkit.version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
