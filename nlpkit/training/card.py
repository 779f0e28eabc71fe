"""The model card: a template of the task's, filled with what config.json says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from nlpkit.model.bundle import CONFIG, CURVE, HISTORY
from nlpkit.tasks.base import Reference, Task
from nlpkit.training.base_model import FROM
from nlpkit.training.inheritance import describe


def write_card(template: Reference, name: str, task: Task, files: Mapping[str, bytes]) -> str:
    """Return Markdown: what the model is, on what data, how it was made, how good it is, how it is used.

    :param template: ``package:path``; it may extend ``base_card.md``, which stands beside this module.
    :param files: of the model.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # torch brings it

    package, _, path = template.partition(":")
    folders = [str(resources(package)), str(Path(__file__).parent)]
    environment = Environment(
        loader=FileSystemLoader(folders), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # no HTML comes of it, so nothing is escaped
    config = json.loads(files[CONFIG])
    text = environment.get_template(path).render(
        name=name,
        task=task,
        config=config,
        data=config["data"],
        settings=config["settings"],
        megabytes=f"{sum(map(len, files.values())) / 1e6:.1f}",
        inherited=list(_list_inherited(config)),
        pictures=[picture for picture in (HISTORY, CURVE) if picture in files],
        read=lambda path: json.loads(files[path]),
    )
    return text.rstrip("\n") + "\n"


def _list_inherited(config: Mapping[str, Any]) -> Iterator[str]:
    """Say what each member has of the model from which training went on, if there is one."""
    if FROM in config:
        for member in config["members"]:
            yield describe(config[FROM]["model"], member["name"], member.get(FROM))
