"""What the rows of several corpora, or of a column's values, are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nlpkit.text.corpus import Example


def groups(examples: Sequence[Example]) -> dict[str, list[int]]:
    """Rows by name: "all", each corpus if there are several, each group; no two are called the same."""
    names = corpus_names(e.corpus for e in examples)
    called = _apart("group", {e.group: e.group for e in examples if e.group}, {"all", *names.values()})
    found = {"all": list(range(len(examples)))}
    for position, example in enumerate(examples):
        if example.corpus in names:
            found.setdefault(names[example.corpus], []).append(position)
        if example.group:
            found.setdefault(called[example.group], []).append(position)
    return found


def corpus_names(corpora: Iterable[str]) -> dict[str, str]:
    """What to call the rows of each corpus, by its last part where that is enough; nothing for one corpus alone."""
    paths = dict.fromkeys(corpora)
    short = Counter(["all", *(Path(corpus).name for corpus in paths)])
    names = {corpus: name if short[name := Path(corpus).name] == 1 else corpus for corpus in paths}
    return _apart("corpus", names, {"all"}) if len(paths) > 1 else {}


def _apart(kind: str, wanted: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """The name that each key wants or, where that is taken, the same behind what kind of thing it is."""
    called: dict[str, str] = {}
    for key in sorted(wanted, key=lambda key: wanted[key] in taken):  # those that may keep theirs come first
        name = wanted[key]
        while name in taken or name in called.values():
            name = f"{kind} {name}"
        called[key] = name
    return called
