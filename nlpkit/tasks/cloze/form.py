"""How filled texts are written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlpkit.commands.answers import Form
from nlpkit.commands.screen import to_one_line
from nlpkit.errors import Sentence
from nlpkit.tasks.cloze.filling import Filled, Filling
from nlpkit.text.row import Row

BAR = 20  # columns that stand for certainty
EXAMPLE = "衣服质量__哦"
_PARTS = " ▏▎▍▌▋▊▉"


class FillingForm(Form):
    """The fillings of a text, best first; in a table of delimited cells the best alone."""

    fields = Filled._fields
    columns = ("words", "probability", "filled", "reason")
    done = Sentence("filled")
    together = 1024

    def values(self, answer: Filled) -> Sequence[Any]:
        """Return all fillings, and the reason."""
        return [filling._asdict() for filling in answer.fillings], answer.reason

    def cells(self, answer: Filled) -> Sequence[Any]:
        """Return the best filling."""
        if not answer.fillings:
            return None, None, None, answer.reason
        best = answer.fillings[0]
        return " ".join(best.words), best.probability, best.text, None

    def line(self, row: Row, answer: Filled) -> str:
        """Return the text, and below it a line a filling, or why there is none."""
        if answer.reason:
            return f"{to_one_line(row.text)}\n  ({to_one_line(answer.reason)})\n\n"
        from rich.cells import cell_len

        widest = max(cell_len(to_one_line(" ".join(filling.words))) for filling in answer.fillings)
        lines = [_draw_line(rank, filling, widest) for rank, filling in enumerate(answer.fillings, 1)]
        return "\n".join([to_one_line(row.text), *lines, "", ""])

    def refuse(self, text: str, reason: str) -> str:
        """Say what is wrong with the one text of the command line, and what to do."""
        quoted = f'"{to_one_line(text)}"'
        what, _, advice = reason.partition(": ")
        if what not in ("empty", "no blank"):
            return Sentence("{quoted} cannot be filled: {reason}", quoted=quoted, reason=reason)
        if text == "-" or (text and Path(text).is_file()):
            return Sentence(
                "there is no blank in {quoted}; to read a file, say --file {text}", quoted=quoted, text=text
            )
        return Sentence(
            "there is no blank in {quoted}: {advice}, as in {example}",
            quoted=quoted,
            advice=advice or Sentence("mark it by two underscores"),
            example=EXAMPLE,
        )


def _draw_line(rank: int, filling: Filling, widest: int) -> str:
    from rich.cells import cell_len

    words = to_one_line(" ".join(filling.words))
    head = f"{rank:>4}  {words}{' ' * (widest - cell_len(words))}  {_format_percent(filling.probability)}"
    more = to_one_line(filling.text) if len(filling.words) > 1 else _draw_bar(filling.probability)
    return f"{head}  {more}".rstrip()


def _format_percent(probability: float) -> str:
    return "<0.1%".rjust(6) if probability < 0.0005 else f"{probability:6.1%}"


def _draw_bar(probability: float) -> str:
    eighths = round(8 * BAR * probability)
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()
