"""What of a saved model's weights a network takes over, and where they come from.

They are those as trained, model.safetensors. Where a model was saved without, they are read back from what inference
executes: the table of a linear model, or the arrays of a graph, which have kept the names of the parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from nlpkit.errors import BundleError, MissingExtra, PluginError, Sentence, join
from nlpkit.model.bundle import ARRAYS, GRAPH, WEIGHTS
from nlpkit.model.members import load_arrays
from nlpkit.model.numbers import check_finite
from nlpkit.plugins.base import OutputLayer, StaticEmbedding
from nlpkit.text.vocabulary import PAD, UNKNOWN, Tokens, Vocabulary
from nlpkit.training.base_model import BaseMember

COMPONENTS = {"embedding": "embedding", "encoder": "encoder", "encoders": "encoder", "output": "output"}  # by attribute
ANSWERING = "head"  # the part in which each answer has weights of its own
SHOWN = 8  # names that a sentence lists
Weights = dict[str, Tensor]  # by the names of parameters and buffers
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Answers:
    """What the outputs of a network stand for, before and now.

    :param axes: parameters that have a row or a column for each answer: along which axis, by name.
    :param relative: whether only differences between outputs count, as for a softmax.
    """

    before: Sequence[str]
    now: Sequence[str]
    axes: Mapping[str, int] = field(default_factory=dict)
    relative: bool = True

    @property
    def same(self) -> bool:
        """Whether they are the same, in the same order."""
        return list(self.before) == list(self.now)

    @property
    def common(self) -> list[str]:
        """Those that stay."""
        return [answer for answer in self.now if answer in self.before]

    @property
    def new(self) -> list[str]:
        """Those that come."""
        return [answer for answer in self.now if answer not in self.before]

    @property
    def changes(self) -> dict[str, list[str]]:
        """What config.json says of them; nothing where they are the same."""
        gone = [answer for answer in self.before if answer not in self.now]
        return {} if self.same else {"kept": self.common, "new": self.new, "gone": gone}

    def carry(self, old: Tensor, new: Tensor, axis: int) -> Tensor:
        """Return ``new`` with what ``old`` has for the answers that stay.

        The others start from the mean of these, by which a softmax is told nothing for or against an answer; where each
        answer is one by itself, that is zero.
        """
        if not self.common:
            return new
        kept = old.index_select(axis, torch.tensor([self.before.index(answer) for answer in self.common]))
        mean = kept.mean(axis, keepdim=True)
        result = (mean if self.relative else torch.zeros_like(mean)).expand_as(new).clone()
        return result.index_copy(axis, torch.tensor([self.now.index(answer) for answer in self.common]), kept)


@dataclass(frozen=True)
class Inheritance:
    """What a member has of the model that its training goes on from.

    :param kept: parts of its network that begin with the weights of that model; ``new`` begin with none.
    :param answers: that stay, that come and that are gone, where they are not the same.
    :param unknown: share of the tokens of the training rows that its vocabulary does not have; None if nobody counted.
    :param read_back: whether the weights are those that inference executes, as these are rounded.
    """

    kept: Sequence[str] = ()
    new: Sequence[str] = ()
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: float | None = None
    read_back: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what an entry of config.json says of it."""
        facts = {"kept": list(self.kept), "new": list(self.new), "unknown": self.unknown, "read_back": self.read_back}
        return facts | ({"answers": dict(self.answers)} if self.answers else {})


def describe(model: str, member: str, facts: Mapping[str, Any] | None) -> Sentence:
    """Say what of a member is kept and what is new.

    :param facts: what its entry says; None of a member that has no weights.
    """
    if facts is None:
        return Sentence("from {model}: {member} is counted anew, in these rows alone", model=model, member=member)
    answers, unknown = facts.get("answers", {}), facts.get("unknown")
    clauses = [
        Sentence("{kept} of {member} kept", kept=_join(facts["kept"]), member=member)
        if facts["kept"]
        else Sentence("nothing of {member} kept", member=member)
    ]
    if answers.get("kept"):
        new = Sentence(", new for {labels}", labels=_list(answers["new"])) if answers["new"] else ""
        clauses.append(
            Sentence("{answering} kept for {kept}{new}", answering=ANSWERING, kept=_join(answers["kept"]), new=new)
        )
    if facts["new"]:
        labels = (
            Sentence(" (labels {labels})", labels=_list(answers["new"]))
            if ANSWERING in facts["new"] and answers.get("new")
            else ""
        )
        clauses.append(Sentence("{parts} new{labels}", parts=_join(facts["new"]), labels=labels))
    more = Sentence("; its weights are those that inference reads, as rounded there") if facts.get("read_back") else ""
    if unknown is not None:
        more += Sentence("; {unknown:.1f}% of the tokens to train on are unknown to it", unknown=100 * unknown)
    return Sentence("from {model}: {clauses}{more}", model=model, clauses=join(clauses), more=more)


def transfer(
    network: nn.Module, weights: Weights, answers: Answers, parts: Mapping[str, str], member: BaseMember
) -> Inheritance:
    """Put a saved model's weights into a network; what has no counterpart stays as it was drawn.

    :param parts: what to call the part that a parameter is of, by the parameter's name.
    :raises BundleError: if the weights do not fit the network's components.
    :raises PluginError: if the network takes none.
    """
    state = network.state_dict()
    kept, new = dict[str, None](), dict[str, None]()  # which keep an order
    for name, tensor in state.items():
        old, part = weights.get(name), parts[name]
        if not answers.same and name in answers.axes and old is not None:
            state[name] = answers.carry(old, tensor, answers.axes[name])
            if not answers.common:
                new[ANSWERING] = None
        elif old is not None and old.shape == tensor.shape:
            state[name], kept[part] = old, None
        elif part in COMPONENTS.values():
            found = (
                Sentence("is not among them")
                if old is None
                else Sentence("is {old}, not {new}", old=tuple(old.shape), new=tuple(tensor.shape))
            )
            raise BundleError(
                "the weights of {member} in {model} do not fit its {part}: {name} {found}",
                member=member.name,
                model=member.model.name,
                part=part,
                name=name,
                found=found,
            )
        else:
            new[part] = None
    if not kept:
        raise PluginError(
            "no weights of {member} in {model} are called as those of its network: {names}",
            member=member.name,
            model=member.model.name,
            names=_list(list(state)),
        )
    network.load_state_dict(state)
    return Inheritance([part for part in kept if part not in new], list(new), answers.changes)


def name_parts(network: nn.Module) -> dict[str, str]:
    """Return the part that each parameter is of, as the attributes of its network are called."""
    return {name: COMPONENTS.get(part := name.partition(".")[0], part) for name in network.state_dict()}


def measure_unknown(documents: Iterable[Sequence[str]], vocabulary: Vocabulary) -> float | None:
    """Return the share of tokens of which a vocabulary has nothing; None of one that hashes, which has all.

    :param documents: tokens of each text; where they have ``counts()``, that says how often each token stands there.
    """
    if vocabulary.kind == "hash":
        return None
    counts: Mapping[str, int] = documents.counts() if hasattr(documents, "counts") else _count(documents)
    if not counts:
        return 0.0
    own, *pieces = vocabulary.encode(Tokens.of([list(counts)])).grid
    unknown = (own == UNKNOWN) & (np.sum(pieces, 0) == PAD)
    frequencies = np.fromiter(counts.values(), np.int64, len(counts))
    return round(float(frequencies[unknown].sum() / frequencies.sum()), 4)


def read_weights(member: BaseMember) -> Weights | None:
    """Return the weights as trained, None if the model was saved without.

    :raises BundleError: if they are damaged.
    """
    bundle, path = member.model.bundle, f"{member.name}/{WEIGHTS}"
    if path not in bundle.files:
        return None
    with bundle.report_damage(path):
        try:
            weights = load_tensors(bundle.read(path))
        except SafetensorError as error:
            raise ValueError(str(error)) from error
        check_finite({name: tensor.float().numpy() for name, tensor in weights.items()})
    return weights


def read_back(network: Any, member: BaseMember) -> Weights:
    """Return the weights of a network as inference executes them; what it does not hold is as the network has it.

    :param network: with the shapes of the saved one, its embedding built; its weights are changed.
    :raises BundleError: if weights of its components are not there.
    """
    bundle, entry, missing = member.model.bundle, member.entry, set(_list_needed(network))
    if entry["runtime"] == "graph":
        missing -= _read_graph(network, member)
    arrays: Arrays = {}
    if (path := f"{member.name}/{ARRAYS}") in bundle.files:
        with bundle.report_damage(path):
            arrays = load_arrays(bundle.read(path))
    if entry["runtime"] == "table" and "table" in arrays:
        missing -= _take_table(network, arrays)
    layer = getattr(network, "output", None)
    if arrays and isinstance(layer, OutputLayer) and layer.take(arrays):
        missing = {name for name in missing if not name.startswith("output.")}
    if lacking := sorted(missing):
        raise BundleError(
            "{model} comes without the weights of its member {member} ({path}), and what inference executes does not "
            "hold all of them ({lacking}): go on from a model that was trained with --keep-weights",
            model=member.model.name,
            member=member.name,
            path=f"{member.name}/{WEIGHTS}",
            lacking=_list(lacking),
        )
    return dict(network.state_dict())


def _read_graph(network: Any, member: BaseMember) -> set[str]:
    """Fill what a graph holds; return the names of parameters and buffers.

    Most arrays are called as the parameters are; one that the exporter has turned or folded is known by its shape, if
    there is but one of that shape on either side.
    """
    arrays, state = _load_graph(member), network.state_dict()
    found: Weights = {
        name: torch.from_numpy(np.ascontiguousarray(array))
        for name, array in arrays.items()
        if name in state and array.shape == state[name].shape
    }
    others = [torch.from_numpy(a) for name, a in arrays.items() if name not in state and a.dtype == np.float32]
    lacking = [name for name in _list_needed(network) if name not in found]
    for name in lacking:
        shape = tuple(state[name].shape)
        rivals = [n for n in lacking if tuple(state[n].shape) in (shape, shape[::-1])]
        fits = [array for array in others if tuple(array.shape) in (shape, shape[::-1])]
        if len(rivals) == len(fits) == 1 and shape != shape[::-1]:  # a square one might be turned
            found[name] = fits[0] if tuple(fits[0].shape) == shape else fits[0].T
    network.load_state_dict({**state, **found})
    embedding = network.embedding
    own = {name for name in lacking if name.startswith("embedding.") and name not in found}
    if own and isinstance(embedding, StaticEmbedding):
        tables = [array for array in others if tuple(array.shape) == (len(member.vocabulary), embedding.dim)]
        if len(tables) == 1 and embedding.take(tables[0]):
            found |= dict.fromkeys(own, tables[0])
    return set(found)


def _take_table(network: Any, arrays: Arrays) -> set[str]:
    """Fill a network that is a sum over its tokens; return all names of its state, none if it cannot be filled."""
    if network.head.bias is None:
        return set()
    table = arrays["table"]
    first = np.zeros(len(network.head.bias) - len(arrays["bias"]))  # of a label that others are relative to
    bias = torch.from_numpy(np.append(first, arrays["bias"])).float()
    if "levels" in arrays:
        table = np.stack([arrays["levels"][table[:, column], column] for column in range(table.shape[1])], 1)
    vectors = torch.from_numpy(np.concatenate([np.zeros((len(table), len(first))), table], 1)).float()
    if not network.embedding.take(vectors):
        return set()
    network.head.bias.data.copy_(bias)
    return set(network.state_dict())


def _load_graph(member: BaseMember) -> Arrays:
    """Return the arrays of a graph by their names, those of 8 or 4 bits as the numbers that they stand for."""
    try:
        import onnx
    except ImportError:
        raise MissingExtra("onnx", "train", Sentence("going on from {name}", name=member.model.name)) from None
    from nlpkit.training.graph_weights import TURNED, unpack_blocks  # onnx

    path, bundle = f"{member.name}/{GRAPH}", member.model.bundle
    with bundle.report_damage(path):
        try:
            graph = onnx.load_from_string(bundle.read(path)).graph
        except Exception as error:  # protobuf has errors of its own
            raise ValueError(str(error)) from error
        arrays: Arrays = {i.name: np.array(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
        for name in [name for name in arrays if name.endswith("_int8")]:
            plain = name.removesuffix("_int8")
            arrays[plain] = arrays.pop(name) * arrays.pop(f"{plain}_scale")
        for name in [name for name in arrays if name.endswith("_int4")]:
            plain = name.removesuffix("_int4")
            arrays[plain] = unpack_blocks(arrays.pop(name), arrays.pop(f"{plain}_half")).T
        for name in [name for name in arrays if name.endswith(TURNED)]:
            arrays[name.removesuffix(TURNED)] = arrays.pop(name).T
        check_finite(arrays)
    return arrays


def _list_needed(network: nn.Module) -> list[str]:
    """Return the names of all that a network's answers depend on."""
    return [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]


def _count(documents: Iterable[Sequence[str]]) -> Mapping[str, int]:
    from collections import Counter

    return Counter(token for document in documents for token in document)


def _list(names: Sequence[str]) -> str:
    return ", ".join([*names[:SHOWN], "…"] if len(names) > SHOWN else names)


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
