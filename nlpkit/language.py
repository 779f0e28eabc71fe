"""In which language the shell speaks: Chinese where the locale or ``NLPKIT_LANG`` says so, English otherwise.

Only what people read is translated, where it is shown. What programs read (JSON, CSV, log files, reasons of rows) and
what the library raises stay English.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from nlpkit.errors import Sentence

CHOICE = "NLPKIT_LANG"
DOMAIN = "nlpkit"
FOLDER = Path(__file__).with_name("locales")
ENGLISH, CHINESE = "en", "zh"
_SEPARATORS = {", ": "，", "; ": "；", " and ": " 和 ", " or ": " 或 "}
_look_up: Callable[[str], str] | None = None  # None: in English


def find_language(environment: Mapping[str, str]) -> str:
    """Return ``zh`` or ``en``: what NLPKIT_LANG says, else the locale; LANGUAGE counts as GNU's gettext has it.

    >>> find_language({"LANG": "zh_CN.UTF-8"}), find_language({"LANG": "zh_CN.UTF-8", "NLPKIT_LANG": "en"})
    ('zh', 'en')
    """
    if choice := environment.get(CHOICE):
        return _choose([choice])
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    if locale.partition(".")[0] in ("C", "POSIX"):
        return ENGLISH
    return _choose([*environment.get("LANGUAGE", "").split(":"), locale])


def _choose(wanted: list[str]) -> str:
    """Return the first language that is wanted and is spoken here."""
    codes = [code.replace("-", "_").partition(".")[0].partition("_")[0].lower() for code in wanted]
    return next((code for code in codes if code in (ENGLISH, CHINESE)), ENGLISH)


def speak(language: str) -> None:
    """Show what is translated, and what click says, in a language from now on."""
    global _look_up
    import gettext  # which click has imported in any case

    if language == ENGLISH:
        _look_up = None
        gettext.textdomain("messages")
        return
    _look_up = gettext.translation(DOMAIN, FOLDER, [language]).gettext
    gettext.bindtextdomain(DOMAIN, str(FOLDER))
    gettext.textdomain(DOMAIN)
    os.environ["LANGUAGE"] = language  # which gettext asks for each word of click; the locale may be another


def is_english() -> bool:
    """Tell whether nothing is translated."""
    return _look_up is None


def translate(text: str) -> str:
    """Return a text as it is shown: of a sentence the template is translated, and values that are sentences.

    A text that the catalogue lacks stays English.
    """
    if _look_up is None or not text:
        return str(text)
    if not isinstance(text, Sentence):
        return _look_up(text)
    template = _separate(text.template) if text.template.startswith("{_0}") else _look_up(text.template)
    values = {name: translate(v) if isinstance(v, Sentence) else v for name, v in text.values.items()}
    return template.format(**values) if values else template


def _separate(template: str) -> str:
    """Return the template of sentences that are joined, with the separators of Chinese."""
    return re.sub(r"(?<=})(, |; | and | or )(?={)", lambda found: _SEPARATORS[found[0]], template)


def phrase(template: str, /, **values: object) -> str:
    """Return a sentence, or a part of one, as it is shown."""
    return translate(Sentence(template, **values))


def width_of(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    import unicodedata  # which English needs not

    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text
    )
