"""Tries strangers' components before anything is trained with them: what the kit would refuse is refused at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from nlpkit.errors import PluginError
from nlpkit.plugins.component import Component
from nlpkit.plugins.installed import find_installed, is_stranger
from nlpkit.plugins.registry import Registry, registry
from nlpkit.testing.discovery import Subject, Target
from nlpkit.testing.kit import Check, CheckError, NotChecked, list_checks

SECONDS = 20.0  # that all of it may take; what is large is tried less
LEFT_OUT = {  # checks that say nothing of whether a model could be trained and opened
    "made": "the run makes it, and has a better sentence for what fails",
    "options": "it is of options that nobody has given",
    "export": "the run exports, and where that fails torch runs the model",
    "kept": "the run compares what is exported with what was trained",
    "agreement": "the same",
}
FIRST = ("config", "surroundings", "fit", "shapes", "odd text", "determinism", "causal")  # whose sentences say most


def rehearse(settings: Any, files: Mapping[str, bytes] | None = None) -> list[str]:
    """Try every component of strangers that settings of a run name, with its options, on a few texts.

    :param files: of the tokenizer of a saved model from which the run goes on.
    :returns: a sentence for each that was not tried in full.
    :raises PluginError: naming the first that does not keep what the protocol asks for.
    """
    until = time.monotonic() + SECONDS
    parts = [part for part in _list_parts(settings) if is_stranger(part[0].distribution)]
    return [note for component, options in parts for note in _try(_make_subject(component, options, files), until)]


def _list_parts(settings: Any) -> Iterator[tuple[Component, dict[str, Any]]]:
    """Yield each component that settings name, and its options; of equals the first."""
    seen: list[tuple[str, Any]] = []
    for owner in (settings, *settings.members):
        for kind in owner.components:
            options = dict(getattr(owner, kind))
            if (kind, options) not in seen and (component := registry().find(kind, options["name"])):
                seen.append((kind, dict(options)))
                del options["name"]
                yield component, options


def _make_subject(component: Component, options: dict[str, Any], files: Mapping[str, bytes] | None) -> Subject:
    if files and component.kind == "tokenizer" and component.takes_files:
        component = replace(component, factory=partial(component.factory, files=dict(files)))
    known = Registry(components={**registry().components, (component.kind, component.name): component})
    return Subject(component.kind, component.name, _find_target(component), known, {component.name: options})


def _find_target(component: Component) -> Target:
    """Return the plugin that a component is of; one that is not installed cannot be imported elsewhere."""
    for plugin in find_installed():
        if (plugin.distribution, plugin.name) == (component.distribution, component.plugin):
            return Target(plugin)
    return Target.of(component.distribution, (component.plugin, component.plugin, "nlpkit"))


def _try(subject: Subject, until: float) -> Iterator[str]:
    """Run the checks that are of use; yield a sentence if there was no time for all.

    :raises PluginError: for the first that fails.
    """
    whose = subject.component.whole_name
    for check in _order(list_checks(subject.kind)):
        if time.monotonic() > until:
            yield f"{whose} was not tried in full, as that takes long: `nlpkit plugins check` does"
            return
        try:
            check.run(subject)
        except NotChecked:
            continue
        except CheckError as error:
            raise PluginError(
                "{whose} cannot be trained with: {check}: {error}", whose=whose, check=check.name, error=error
            ) from error


def _order(checks: Iterable[Check]) -> list[Check]:
    kept = [check for check in checks if check.name not in LEFT_OUT]
    return sorted(kept, key=lambda check: FIRST.index(check.name) if check.name in FIRST else len(FIRST))
