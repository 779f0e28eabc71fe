"""Makes a distribution of a saved model: the beginning of a plugin that ships it, whose card knows its new name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nlpkit.commands.plugin_templates import Draft, draft
from nlpkit.errors import BundleError, SettingError
from nlpkit.model.bundle import CARD, CONFIG, SAMPLES, TASK_FROM, Bundle, origin_of
from nlpkit.model.opening import find_task, load
from nlpkit.plugins.installed import OURS, normalise
from nlpkit.plugins.one_file import is_file_name

ALWAYS, IN_TORCH = ("tokenizer", "output"), ("embedding", "encoder")  # what is made again where a model is opened


def pack(model: str | Path, name: str) -> Draft:
    """Draft a plugin that ships a model.

    :param model: by its name or its folder.
    :param name: of the model there.
    :raises SettingError: if no model could be called so, or another one is, or it needs a plugin that is one file.
    :raises BundleError: if it is none, or does not answer its own samples as it did.
    """
    plugin, saved = draft("model", name, again=True), load(model)
    bundle = saved.bundle
    if faults := saved.check():
        raise BundleError("{model} is not as it was saved: {fault}", model=bundle.name, fault=faults[0])
    files = {path: bundle.read(path) for path in sorted(bundle.files)}
    if CARD in files:
        files[CARD] = rename_card(files[CARD].decode(errors="replace"), plugin.name).encode()
    use = f"{find_task(bundle).use} --model {plugin.name}"
    return replace(plugin, model=files, needs=list_requirements(bundle), use=use)


def count_samples(plugin: Draft) -> int:
    """Count the texts by which a model tests itself, and which everybody can read who has it."""
    return plugin.model[SAMPLES].count(b'"text"')


def rename_card(card: str, name: str) -> str:
    """Return a card whose title, and whose commands, call the model by another name."""
    title, newline, rest = card.partition("\n")
    if not title.startswith("# "):
        return f"# {name}\n\n{card}"
    old = re.escape(title.removeprefix("# ").strip())
    return f"# {name}{newline}" + re.sub(rf"(--model|-m) {old}(?![\w./-])", rf"\1 {name}", rest)


def list_requirements(bundle: Bundle) -> list[str]:
    """Return what pip must be told that a model needs: nlpkit, and the plugins without which it cannot be opened.

    :raises SettingError: if one of them is a file, which pip cannot bring.
    """
    with bundle.report_damage(CONFIG):
        in_torch = any(entry.get("runtime") == "torch" for entry in bundle.config["members"])
        needs = {OURS: f"{OURS}{'[train]' if in_torch else ''}>={bundle.config['nlpkit']}"}
        for distribution, version in _list_origins(bundle.config):
            if is_file_name(distribution):
                raise SettingError(
                    "the model needs the plugin {distribution}, which is a file: make a distribution of that first, by "
                    "nlpkit plugins new",
                    distribution=distribution,
                )
            needs.setdefault(normalise(distribution), f"{distribution}>={version}")
    return list(needs.values())


def _list_origins(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the distribution and the version of all that a model is opened with."""
    for entry in (config, *config["members"]):
        for kind in (*ALWAYS, *(IN_TORCH if entry.get("runtime") == "torch" else ())):
            if kind in entry:
                yield origin_of(entry[kind])[1:]
    if TASK_FROM in config:
        yield origin_of({"name": config["task"], "config": {}, **config[TASK_FROM]})[1:]
