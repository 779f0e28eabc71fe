"""A rich console by which no control character reaches a terminal but its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from nlpkit.commands.screen import make_harmless


class HarmlessConsole(Console):
    """Strings are made harmless before they are measured, and all that is no drawing once more before it is drawn."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text of a string."""
        return super().render_str(make_harmless(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield segments of what is drawn."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=make_harmless(segment.text))
