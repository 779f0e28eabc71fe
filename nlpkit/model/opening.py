"""Opens a saved model of whatever task."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.errors import BundleError, nearest
from nlpkit.model.bundle import find

if TYPE_CHECKING:
    from nlpkit.tasks.cloze.model import ClozeModel
    from nlpkit.tasks.generate.model import GenerationModel
    from nlpkit.tasks.sentiment.model import SentimentModel

TASKS = {  # each in the module `model` of the task's folder
    "sentiment": "SentimentModel",
    "cloze": "ClozeModel",
    "generate": "GenerationModel",
}


def load(model: str | Path = "reviews", *, warm: bool = False) -> SentimentModel | ClozeModel | GenerationModel:
    """Open a model by its name (`nlpkit models list`) or its folder; its task says of which class it is.

    Where a type checker should know the class: `SentimentModel.load` and the like.

    :param warm: open all of its parts now, and not when they are first needed.
    :raises BundleError: if there is no such name or folder, or it is no model, damaged, or of a newer format.
    :raises MissingPlugin: if a plugin that it needs is not installed.
    """
    bundle = find(model)
    task = f"{bundle.config['task']!s:.40}"
    if task not in TASKS:
        raise BundleError(f"{bundle.name} is a model for {task!r}, which is unknown{nearest(task, TASKS)}")
    kind: Any = getattr(import_module(f"nlpkit.tasks.{task}.model"), TASKS[task])
    opened: SentimentModel | ClozeModel | GenerationModel = kind(bundle)
    if warm:
        opened.warm()
    return opened
