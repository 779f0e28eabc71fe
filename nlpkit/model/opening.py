"""Opens a saved model of whatever task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import find
from nlpkit.plugins.registry import registry
from nlpkit.tasks.base import Task, resolve

if TYPE_CHECKING:
    from nlpkit.model.base import SavedModel
    from nlpkit.tasks.cloze.model import ClozeModel
    from nlpkit.tasks.generate.model import GenerationModel
    from nlpkit.tasks.sentiment.model import SentimentModel


@overload
def load(model: Literal["reviews"] = ..., *, warm: bool = ...) -> SentimentModel: ...
@overload
def load(model: Literal["reviews-cloze"], *, warm: bool = ...) -> ClozeModel: ...
@overload
def load(model: Literal["reviews-chars"], *, warm: bool = ...) -> GenerationModel: ...
@overload
def load(model: str | Path, *, warm: bool = ...) -> SavedModel: ...


def load(model: str | Path = "reviews", *, warm: bool = False) -> SavedModel:
    """Open a model by its name (`nlpkit models list`) or its folder; its task says of which class it is.

    Where a type checker should know the class of a model of your own: `SentimentModel.load` and the like.

    :param warm: open all of its parts now, and not when they are first needed.
    :raises BundleError: if there is no such name or folder, or it is no model, damaged, or of a newer format.
    :raises MissingPlugin: if a plugin that it needs is not installed.
    """
    bundle = find(model)
    saved: SavedModel = resolve(task_of(bundle.name, bundle.config["task"]).model)(bundle)
    if warm:
        saved.warm()
    return saved


def task_of(model: str, name: object) -> Task:
    """Return the task that a model names.

    :param model: what to call it in errors.
    :raises BundleError: if no plugin brings such a task, saying what there is.
    """
    try:
        task: Task = registry().get("task", f"{name!s:.40}").factory
    except SettingError as error:
        raise BundleError("{model} is a model for another task: {error}", model=model, error=error) from error
    return task
