"""Opens a saved model of whatever task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import CONFIG, TASK_FROM, Bundle, find, origin_of
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
    saved: SavedModel = resolve(find_task(bundle).model)(bundle)
    if warm:
        saved.warm()
    return saved


def find_task(bundle: Bundle) -> Task:
    """Return the task that a model is of.

    :raises MissingPlugin: if the plugin that brought it is not here, naming its distribution and version.
    :raises BundleError: if the model does not say which that was, and there is no such task.
    """
    name, origin = bundle.config["task"], bundle.config.get(TASK_FROM)
    if origin is None or registry().find("task", f"{name!s:.40}"):
        return task_of(bundle.name, name)
    with bundle.report_damage(CONFIG):
        whose = origin_of({"name": name, "config": {}, **origin})
    task: Task = registry().need("task", *whose).factory
    return task


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
