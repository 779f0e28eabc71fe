"""The conformance kit: what every plugin must keep, as plain functions that need no pytest.

    from nlpkit.testing import installed, run, subjects

    for result in run(subjects(installed("nlpkit-zh-runs"))):
        print(result.subject, result.check.name, result.outcome, result.sentence)

`nlpkit plugins check` runs it from the shell; `nlpkit.testing.plugin` makes tests of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlpkit.testing.discovery import Subject, Target, installed, of_module, subjects
    from nlpkit.testing.kit import FAILED, OK, SKIPPED, Check, CheckError, NotChecked, Result, checks, run

_KIT = ("FAILED", "OK", "SKIPPED", "Check", "CheckError", "NotChecked", "Result", "checks", "run")
__all__ = [
    "FAILED",
    "OK",
    "SKIPPED",
    "Check",
    "CheckError",
    "NotChecked",
    "Result",
    "Subject",
    "Target",
    "checks",
    "installed",
    "of_module",
    "run",
    "subjects",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: every pytest of an environment with nlpkit imports this package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"nlpkit.testing.{'kit' if name in _KIT else 'discovery'}"), name)
