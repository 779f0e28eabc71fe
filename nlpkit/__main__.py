"""``python -m nlpkit`` is ``nlpkit``."""

from nlpkit.commands import main

main()
