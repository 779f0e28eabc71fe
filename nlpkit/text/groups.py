"""Which rows are measured together: all, those of each corpus, those of each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nlpkit.text.corpus import Example


def groups(examples: Sequence[Example]) -> dict[str, list[int]]:
    """Put rows together by name: "all", each corpus if there are several, each group; no two are called the same."""
    names = corpus_names(e.corpus for e in examples)
    group_names = _apart("group", {e.group: e.group for e in examples if e.group}, {"all", *names.values()})
    positions = {"all": list(range(len(examples)))}
    for position, example in enumerate(examples):
        if example.corpus in names:
            positions.setdefault(names[example.corpus], []).append(position)
        if example.group:
            positions.setdefault(group_names[example.group], []).append(position)
    return positions


def corpus_names(corpora: Iterable[str]) -> dict[str, str]:
    """Name the rows of each corpus by its last part, where that is enough; those of one corpus alone have no name."""
    paths = dict.fromkeys(corpora)
    short = Counter(["all", *(Path(corpus).name for corpus in paths)])
    names = {corpus: name if short[name := Path(corpus).name] == 1 else corpus for corpus in paths}
    return _apart("corpus", names, {"all"}) if len(paths) > 1 else {}


def _apart(kind: str, wanted: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """Give each key the name that it wants or, where that is taken, the same behind what kind of thing it is."""
    names: dict[str, str] = {}
    for key in sorted(wanted, key=lambda key: wanted[key] in taken):  # those that may keep theirs come first
        name = wanted[key]
        while name in taken or name in names.values():
            name = f"{kind} {name}"
        names[key] = name
    return names
