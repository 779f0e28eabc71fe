"""How texts that were written are written down."""

from __future__ import annotations

from nlpkit.commands.answers import Form
from nlpkit.tasks.generate.rows import Written


class TextForm(Form):
    """What was written, without its prompt, why it ended, and by which numbers it comes out again."""

    fields = Written._fields
    text = "prompt"
    done = "written"
    together = 64
