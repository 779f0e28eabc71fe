"""What runs of all tasks have in common: a folder of their own, a history, a model that is saved whole."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import nlpkit
from nlpkit.model import bundle
from nlpkit.model.mixing import Stage
from nlpkit.text.continuous import Continuous
from nlpkit.text.corpus import Example
from nlpkit.text.normalisation import Normaliser
from nlpkit.training.card import card
from nlpkit.training.composition import Made
from nlpkit.training.events import CutTexts, Event, Fitting, Prepared, Saved, Working
from nlpkit.training.history import History
from nlpkit.training.loop import Diverged, Epoch, Resumed
from nlpkit.training.run_folder import FORCE, begun, finish_run, may_replace, open_run, read_request
from nlpkit.training.settings import NETWORK, PARTS, without_paths
from nlpkit.training.storage import StoredCorpus, store_corpus
from nlpkit.training.stored_member import StoredMember

UNTOLD = ("seconds",)  # of an epoch: what differs between two runs that are otherwise the same


@dataclass(frozen=True)
class Model:
    """What a run made: a model's files but for its card and its history, how its members are mixed, its figures."""

    files: dict[str, bytes]
    stages: Sequence[Stage]
    metrics: Mapping[str, Any]


def save_run(
    folder: Path,
    request: Mapping[str, Any],
    make: Callable[[Path, History], Generator[Event, None, Model]],
    *,
    resume: bool,
    force: bool,
) -> Generator[Event, None, None]:
    """Make a model in the folder of a run, and save it; what an earlier attempt did there is found by ``make``.

    :param request: JSON that says what is asked for; a resumed run must be of the same.
    :raises BundleError: if the folder may not be replaced, or a run is in it.
    """
    force = force or (resume and bool(read_request(folder).get(FORCE)))
    bundle.writable(folder, force=force)
    with open_run(folder, request, resume=resume, force=force) as run:
        history = History(run)
        try:
            made = yield from make(run, history)
            files = bundle.with_checksums(made.files) | history.files()
            files[bundle.CARD] = card(folder.name, json.loads(files[bundle.CONFIG]), files).encode()
            may_replace(run)
            bundle.save(folder, files, force=force)
            finish_run(run)
            size = sum(map(len, files.values()))
            task = json.loads(files[bundle.CONFIG])["task"]
            yield Saved(folder, task, size, made.stages, made.metrics, history.epochs, bundle.CURVE in files)
        finally:
            if begun(run):  # it broke off: what there is can be seen
                history.draw()


def stored_texts(
    folder: Path, texts: Iterable[Example], *, test: float, validation: float
) -> Generator[Event, None, StoredCorpus]:
    """Texts without labels, stored in a folder of the run; not read again where an earlier attempt has stored them."""
    if not folder.exists():
        yield Working("reading", 0, None)
        for count in store_corpus(texts, folder, test=test, validation=validation, labelled=False):
            yield Working("reading", count, None)
    return StoredCorpus(folder)


def stored_lines(
    folder: Path, texts: Iterable[Example], *, test: float, validation: float, in_order: bool
) -> Generator[Event, None, StoredCorpus]:
    """The same of texts of which some follow each other: all of them, or those of a corpus that is one long text.

    :param in_order: whether all do.
    """
    if not folder.exists():
        yield Working("reading", 0, None)
        lines = Continuous(texts, all_texts=in_order)
        shares = {"test": test, "validation": validation}
        for count in store_corpus(lines, folder, **shares, labelled=False, continuous=lines.corpora):
            yield Working("reading", count, None)
        if lines.cut:
            yield CutTexts(lines.cut)
    return StoredCorpus(folder)


def prepared(corpus: StoredCorpus) -> Prepared:
    """What there is of texts without labels."""
    places = {place: len(corpus.rows(place)) for place in ("train", "validation", "test")}
    return Prepared(**asdict(corpus.counts), **places, labels={})


def recorded(
    name: str, fitting: Generator[Any, None, None], history: History
) -> Generator[Event, None, Diverged | None]:
    """Pass a loop's events on, and write its epochs down."""
    yield Fitting(name)
    diverged = None
    with closing(fitting):  # so that it saves its state when we are closed
        for event in fitting:
            if isinstance(event, Resumed):
                history.set(name, event.history)
            elif isinstance(event, Epoch):
                history.add(name, event)
            elif isinstance(event, Diverged):
                diverged = event
            yield event
    return diverged


def outcome(epochs: Sequence[Epoch], diverged: Diverged | None) -> dict[str, Any]:
    """What config.json says of a loop."""
    told = [{k: v for k, v in asdict(epoch).items() if k not in UNTOLD} for epoch in epochs]
    where = {"diverged": {"epoch": diverged.epoch, "step": diverged.step}} if diverged else {}
    return {"history": told, **where}


def environment() -> dict[str, Any]:
    """Where a run took place, as far as that may matter to what came of it."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
    }


def rows_by_name(corpora: Mapping[str, int]) -> dict[str, int]:
    """Rows of each file by its name alone; where it lies is nobody's business."""
    found: Counter[str] = Counter()
    for path, rows in corpora.items():
        found[Path(path).name] += rows
    return dict(found)


def network_config(
    task: str, corpus: StoredCorpus, settings: Any, members: Sequence[StoredMember], tokenizer: Made | None = None
) -> dict[str, Any]:
    """What config.json says of a model of texts without labels, but for its mixture and its figures.

    :param settings: of the run: a dataclass with ``network`` and ``normalisation``.
    :param members: the network first.
    """
    told = asdict(settings)
    for kind in PARTS:
        told[NETWORK][kind] = without_paths(told[NETWORK][kind], members[0].entry[kind])
    if tokenizer is not None:
        told["tokenizer"] = without_paths(told["tokenizer"], tokenizer.record)
    data = {k: v for k, v in asdict(prepared(corpus)).items() if k != "labels" and (k != "ordered" or v)}
    return {
        "format": bundle.FORMAT,
        "nlpkit": nlpkit.__version__,
        "task": task,
        "normalisation": Normaliser(**settings.normalisation).config,
        **({} if tokenizer is None else {"tokenizer": tokenizer.record}),
        "members": [member.entry for member in members],
        "settings": told,
        "environment": environment(),
        "data": data | {"corpora": rows_by_name(corpus.corpora), "fingerprint": corpus.fingerprint},
    }
