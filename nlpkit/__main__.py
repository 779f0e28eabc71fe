"""``python -m nlpkit`` is ``nlpkit``."""

from nlpkit.commands.main import main

main()
