"""What a service may want in its log: what is slow, and what was mended. Nothing is printed unless somebody listens.

A logger is called as its module. No text that is answered or trained on is ever logged.
"""

from __future__ import annotations

import logging

logging.getLogger("nlpkit").addHandler(logging.NullHandler())  # or Python would print warnings on stderr


def get_logger(module: str) -> logging.Logger:
    """Return the logger of a module of ours."""
    return logging.getLogger(module)
