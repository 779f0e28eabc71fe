"""A member of a bundle as inference runs it: normalised texts in, logits out; never torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nlpkit.errors import MissingExtra
from nlpkit.model.bundle import ARRAYS, CONFIG, GRAPH, TOKENIZER, VOCABULARY, Bundle, origin_of
from nlpkit.model.graphs import Graph
from nlpkit.model.numbers import check_finite
from nlpkit.model.stopping import check_stop
from nlpkit.plugins.base import Decoder, Tokenizer
from nlpkit.plugins.registry import registry
from nlpkit.plugins.watched import watch_decoder, watch_part
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import Ids, Tokens, Vocabulary, load_vocabulary

Floats: TypeAlias = NDArray[np.float64]
Arrays: TypeAlias = Mapping[str, NDArray[Any]]  # of a file, by their names
RUNTIMES = ("table", "graph", "torch")
LONGEST = 1 << 20  # tokens of a text: far beyond what any network reads
CACHE_SIZE = 1024  # texts whose arrays stay in a processor's cache
BATCH = 16  # rows that go through a graph together, sorted by length; more pad more than they save
NORMS: dict[str, Callable[[Floats], Floats]] = {"sum": np.ones_like, "mean": lambda n: n, "sqrtn": np.sqrt}


class Member(Protocol):
    """Anything that gives each text a logit for each label."""

    text_ids: TextIds

    def logits(self, texts: Sequence[str]) -> Floats:
        """Map normalised texts to logits ``(batch, labels)``."""
        ...


class Contributions(NamedTuple):
    """What each token adds to a text's logits.

    :param values: of the tokens ``(total, labels)``.
    :param bias: what no token adds ``(batch, labels)``; with the values of a text's tokens it is the text's logits.
    """

    tokens: Tokens
    values: Floats
    bias: Floats


class TextIds:
    """The way from text to ids: tokenizer, then vocabulary."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary, max_length: int = 0) -> None:
        self.tokenizer, self.vocabulary, self.max_length = tokenizer, vocabulary, max_length

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Ids of each normalised text."""
        ids = self.vocabulary.encode(self.tokenizer.batch(texts))
        return ids.truncated(self.max_length) if self.max_length else ids

    def before_cut(self, texts: Sequence[str]) -> tuple[Tokens, Ids | None]:
        """Return tokens and ids of normalised texts; None for the ids if a text has more than are read."""
        tokens = self.tokenizer.batch(texts)
        ids = self.vocabulary.encode(tokens)
        cut = self.max_length and ids.counts.max(initial=0) > self.max_length
        return tokens, None if cut else ids


class TableMember:
    """A composition without an encoder, folded into a logit for each id: a gather and a sum.

    :param table: ``(ids, columns)``, a column for each label, or for each but the first; or codes of one byte for that.
    :param levels: what each code stands for ``(256, columns)``; None where the table holds the numbers themselves.
    :param bias: ``(columns,)``.
    :param pooling: sum, mean or sqrtn.
    :param labels: how many there are; with a column less, logits are relative to that of the first, which is 0.
    """

    def __init__(
        self,
        text_ids: TextIds,
        *,
        table: NDArray[Any],
        levels: NDArray[Any] | None,
        bias: Floats,
        pooling: str,
        labels: int,
    ) -> None:
        self.text_ids, self._labels, self._first = text_ids, labels, labels - table.shape[1]
        self._columns = [np.ascontiguousarray(column) for column in table.T]
        self._levels = None if levels is None else [np.ascontiguousarray(column) for column in levels.T]
        self._bias, self._norm = bias, NORMS[pooling]

    def logits(self, texts: Sequence[str]) -> Floats:
        """Map normalised texts to logits ``(batch, labels)``."""
        parts = [self._logits(texts[at : at + CACHE_SIZE]) for at in range(0, len(texts), CACHE_SIZE)]
        return np.concatenate(parts or [np.zeros((0, self._labels))])

    def contributions(self, texts: Sequence[str]) -> Contributions | None:
        """Share out the logits of normalised texts among their tokens: an n-gram's number in equal parts among its own.

        :returns: None where a text is so long that not all of it is read.
        """
        tokens, ids = self.text_ids.before_cut(texts)
        if ids is None:
            return None
        vocabulary = self.text_ids.vocabulary
        inside = _mark_tokens(ids, len(tokens.units)) if vocabulary.marks else slice(None)
        norm = self._norm(np.maximum(ids.counts, 1).astype(np.float64))
        values = np.zeros((len(tokens.units), self._labels))
        bias = np.zeros((ids.size, self._labels))
        for position in range(len(self._columns)):
            shares = _share_out(self._values(position, ids), vocabulary.low)
            shares /= np.repeat(norm, np.diff(ids.starts))
            values[:, position + self._first] = shares[inside]
            bias[:, position + self._first] = self._bias[position]
            if vocabulary.marks:
                bias[:, position + self._first] += shares[ids.starts[:-1]] + shares[ids.starts[1:] - 1]
        return Contributions(tokens, values, bias)

    def _logits(self, texts: Sequence[str]) -> Floats:
        ids = self.text_ids(texts)
        norm = self._norm(np.maximum(ids.counts, 1).astype(np.float64))
        result = np.zeros((ids.size, self._labels))
        for position in range(len(self._columns)):
            sums = ids.sums(self._values(position, ids).sum(0).astype(np.float64))
            result[:, position + self._first] = sums / norm + self._bias[position]
        return result

    def _values(self, position: int, ids: Ids) -> NDArray[Any]:
        """Return a column's number of each id ``(kinds, total)`` or token ``(1, total)``; padding is worth 0."""
        values = self._columns[position][ids.grid]
        return ids.average(values if self._levels is None else self._levels[position][values])


def _share_out(values: NDArray[Any], low: int) -> Floats:
    """Share the numbers of n-grams ``(kinds, total)``, each at its first token, among their tokens ``(total,)``.

    :param low: tokens of the first kind; each other has one more than the last.
    """
    total = values.shape[1]
    shares = np.zeros(total)
    for size, row in enumerate(values, start=low):
        for place in range(min(size, total)):
            shares[place:] += row[: total - place] / size
    return shares


def _mark_tokens(ids: Ids, tokens: int) -> NDArray[np.bool_]:
    """Tell tokens from the marks before and behind each text."""
    inside = np.ones(ids.grid.shape[1], dtype=np.bool_)
    inside[ids.starts[:-1]] = inside[ids.starts[1:] - 1] = False
    assert inside.sum() == tokens
    return inside


class PaddedMember:
    """A composition with an encoder.

    :param run: maps ids ``(batch, time)`` or ``(batch, time, pieces)`` and mask ``(batch, time)`` to logits
        ``(batch, labels)``: onnxruntime, or torch.
    """

    def __init__(self, text_ids: TextIds, run: Callable[..., NDArray[Any]]) -> None:
        self.text_ids, self._run = text_ids, run

    def logits(self, texts: Sequence[str]) -> Floats:
        """Map normalised texts to logits ``(batch, labels)``; a row's logits do not depend on the others."""
        return run_sorted(self.text_ids(texts), self._run)


def run_sorted(ids: Ids, run: Callable[..., NDArray[Any]], *more: NDArray[Any]) -> Floats:
    """Pad rows of similar length together, run them, and put the results back in order.

    :param run: takes ids ``(batch, time)`` or ``(batch, time, pieces)``, their mask ``(batch, time)``, and of each of
        ``more`` ``(size, ...)`` the rows of the batch.
    """
    order = np.argsort(ids.counts, kind="stable")
    rows = ids.rows()
    parts = []
    for start in range(0, ids.size, BATCH):
        check_stop()
        batch = order[start : start + BATCH]
        parts.append(run(*Ids.of([rows[i] for i in batch]).padded(), *(array[batch] for array in more)))
    outputs = np.concatenate(parts).astype(np.float64)
    result = np.empty_like(outputs)
    result[order] = outputs
    return result


def open_member(
    bundle: Bundle,
    entry: dict[str, Any],
    labels: int,
    normaliser: Normaliser | None = None,
    *,
    relative: bool = True,
) -> Member:
    """Make the member that an entry of config.json describes, with logits for so many labels.

    :param normaliser: of the texts; None: as config.json says.
    :param relative: whether only differences between logits count, so that a table has no column for the first label.
    :raises MissingPlugin: if its tokenizer is not installed.
    :raises BundleError: if its files are damaged.
    """
    with bundle.report_damage(CONFIG):
        name, runtime, pooling = entry["name"], entry["runtime"], entry["head"]["pooling"]
        if runtime not in RUNTIMES or not isinstance(pooling, str):
            raise ValueError(f"the member {name} has the runtime {runtime!r:.40} and the pooling {pooling!r:.40}")
        length = check_length(entry["max_length"], 0)
        tokenizer = open_tokenizer(bundle, entry["tokenizer"], f"{name}/{TOKENIZER}", normaliser)
    with bundle.report_damage(f"{name}/{VOCABULARY}"):
        text_ids = TextIds(tokenizer, load_vocabulary(bundle.read(f"{name}/{VOCABULARY}")), length)
    if runtime == "torch":
        require_torch(bundle, name)  # the one way by which inference needs it: what could not be exported
        from nlpkit.model.network import restore, run_of

        return PaddedMember(text_ids, run_of(restore(bundle, entry, text_ids.vocabulary, labels)))
    if runtime == "graph":
        graph = open_graph(bundle, name)
        return PaddedMember(text_ids, lambda ids, mask: graph.run("logits", ids=ids, mask=mask))
    with bundle.report_damage(f"{name}/{ARRAYS}"):
        return _open_table(bundle.read(f"{name}/{ARRAYS}"), text_ids, pooling, labels, relative=relative)


def open_tokenizer(
    bundle: Bundle, record: Mapping[str, Any], folder: str, normaliser: Normaliser | None = None
) -> Tokenizer:
    """Make a recorded tokenizer again, with the files that it keeps in a folder of the bundle.

    :param normaliser: of the texts; None: as config.json says.
    """
    component = registry().need("tokenizer", *origin_of(record))
    files = {"files": bundle.read_folder(folder)} if component.takes_files else {}
    if normaliser is None and component.takes_normaliser:
        normaliser = Normaliser.of(bundle.config["normalisation"])
    tokenizer: Tokenizer = watch_part(component, component.create(record["config"], normaliser=normaliser, **files))
    return tokenizer


def open_decoder(record: Mapping[str, Any], arrays: Arrays, words: int) -> Decoder:
    """Make what reads the outputs of a recorded output embedding's layer.

    :param words: how many can be answered.
    :raises MissingPlugin: if it is not installed.
    :raises ValueError: or KeyError, if the arrays are not those of such a layer.
    :raises PluginError: for a stranger's that refuses what it saved.
    """
    component = registry().need("output", *origin_of(record))
    coding = component.create(record["config"])
    return watch_decoder(component, lambda: coding.decoder(arrays), words)


def open_graph(bundle: Bundle, member: str) -> Graph:
    """Open the graph of a member."""
    return Graph(bundle.read(f"{member}/{GRAPH}"), f"{bundle.name}: {member}/{GRAPH}")


def load_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Read safetensors of finite numbers.

    :raises ValueError: if the data is something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = dict(load(data))
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    check_finite(arrays)
    return arrays


def array_of(arrays: Arrays, name: str) -> NDArray[Any]:
    """One of a file's arrays.

    :raises ValueError: if it is not there, with those that are.
    """
    if name not in arrays:
        raise ValueError(f"the array {name} is missing; there is: {', '.join(sorted(arrays)) or 'nothing'}")
    return arrays[name]


def check_length(max_length: object, least: int) -> int:
    """How many tokens a member reads.

    :raises ValueError: if it is no such number.
    """
    if type(max_length) is not int or not least <= max_length <= LONGEST:
        raise ValueError(f"max_length must be a whole number from {least} to {LONGEST}, was: {max_length!r:.60}")
    return max_length


def require_torch(bundle: Bundle, member: str) -> None:
    """Say what to install, where a member needs torch that is not there.

    :raises MissingExtra: naming the member.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "train", f"the member {member} of {bundle.name}") from None


def _open_table(data: bytes, text_ids: TextIds, pooling: str, labels: int, *, relative: bool) -> TableMember:
    arrays, columns = load_arrays(data), labels - relative
    table, levels = arrays["table"], arrays.get("levels")
    if table.shape != (len(text_ids.vocabulary), columns) or arrays["bias"].shape != (columns,):
        raise ValueError("the table does not fit the vocabulary and the labels")
    if pooling not in NORMS:
        raise ValueError(f"a table is pooled by {', '.join(NORMS)}, found: {pooling!r:.40}")
    fits = table.dtype.kind == "f" if levels is None else table.dtype == np.uint8 and levels.shape == (256, columns)
    if not fits:
        raise ValueError("the levels do not fit the table")
    return TableMember(text_ids, table=table, levels=levels, bias=arrays["bias"], pooling=pooling, labels=labels)
