"""Makes the parts that settings name, and refuses early what does not go together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from nlpkit.errors import NlpkitError, PluginError, SettingError
from nlpkit.files import write_synced
from nlpkit.model import bundle
from nlpkit.model.bundle import Bundle, recorded
from nlpkit.model.members import Floats, TextIds, run_sorted
from nlpkit.model.network import Head, Network
from nlpkit.model.numbers import check_weights
from nlpkit.plugins.base import Embedding, Encoder
from nlpkit.plugins.registry import Component, registry
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import (
    UNKNOWN,
    HashVocabulary,
    TableVocabulary,
    Vocabulary,
    dump_vocabulary,
    load_vocabulary,
)
from nlpkit.training.settings import MemberSettings, Settings

ENTRY = "entry.json"


@dataclass(frozen=True)
class Made:
    """A component's instance, and where it came from."""

    component: Component
    part: Any

    @property
    def record(self) -> dict[str, Any]:
        """What a bundle keeps of it."""
        origin = {"distribution": self.component.distribution, "version": self.component.version}
        return {"name": self.component.name, **origin, "config": dict(self.part.config)}


def make_again(kind: str, entry: Mapping[str, Any], **fixed: Any) -> Any:
    """Make a component as config.json records it; of its options only such as it records itself, which are no paths.

    :raises MissingPlugin: if it is not installed.
    :raises ValueError: for any other option.
    """
    config = entry[kind]["config"]
    part = registry().need(kind, *recorded(entry[kind])).create(config, **fixed)
    if unknown := sorted(set(config) - set(part.config)):
        raise ValueError(f"the {kind} has no option {unknown[0]!r}")
    return part


def make(kind: str, chosen: Mapping[str, Any], *, normaliser: Normaliser | None = None, **fixed: Any) -> Made:
    """Make the component that settings name.

    :param normaliser: of the texts, for a component that has a use for it.
    :raises SettingError: for a name that nobody registers, or options that it refuses.
    :raises PluginError: if it is not what its kind promises.
    """
    options = dict(chosen)
    component = registry().get(kind, options.pop("name"))
    return Made(component, component.create(options, normaliser=normaliser, **fixed))


@dataclass(frozen=True)
class Composition:
    """One member's network, and all that a bundle keeps of it.

    :param entry: what config.json says of it: its name, components, head, greatest length.
    """

    entry: dict[str, Any]
    network: Network
    vocabulary: Vocabulary
    tokenizer_files: Mapping[str, bytes]

    def files(self, *, weights: bool) -> dict[str, bytes]:
        """The files of its folder, its weights as they are now among them if they are asked for."""
        files = {bundle.VOCABULARY: dump_vocabulary(self.vocabulary)}
        files |= {f"{bundle.TOKENIZER}/{path}": data for path, data in self.tokenizer_files.items()}
        if weights:
            files[bundle.WEIGHTS] = dump_weights(self.network)
        return files


def compose(
    member: MemberSettings,
    tokenizer: Made,
    documents: Iterable[Sequence[str]],
    targets: Sequence[int],
    labels: int,
    normaliser: Normaliser | None = None,
) -> Composition:
    """Make a member's parts and fit its embedding.

    :param documents: the tokens of each training row; may be read several times.
    :param targets: the index of each row's label.
    :param normaliser: of the texts.
    """
    embedding = make("embedding", member.embedding, normaliser=normaliser)
    vocabulary = fitted(embedding, documents, targets)
    encoder = make("encoder", member.encoder, input_dim=embedding.part.dim)
    check_shapes(embedding, encoder)
    head = Head.over(encoder.part, member.head, labels=labels)
    entry = {"name": member.name, "max_length": member.max_length}
    entry |= {made.component.kind: made.record for made in (tokenizer, embedding, encoder)} | {"head": head.config}
    if found := embedding.part.found:
        repeated = embedding.part.repeated
        entry["vectors"] = {"found": found[0], "of": found[1], **({"repeated": repeated} if repeated else {})}
    network = Network(embedding.part, encoder.part, head)
    return Composition(entry, network, vocabulary, tokenizer.part.files)


def write_down(composition: Composition, folder: Path) -> None:
    """Write a composition for `reopen`: its files, its weights as they are now, its entry."""
    for path, data in composition.files(weights=True).items():
        write_synced(folder / path, data)
    write_synced(folder / ENTRY, bundle.dump_json(composition.entry))


def reopen(folder: Path, labels: int) -> Composition:
    """A composition as it was written down in a folder of its own name."""
    entry = json.loads((folder / ENTRY).read_text("utf-8"))
    stored = Bundle.part(folder.parent)
    vocabulary = load_vocabulary(stored.read(f"{entry['name']}/{bundle.VOCABULARY}"))
    tokenizer_files = stored.under(f"{entry['name']}/{bundle.TOKENIZER}")
    return Composition(entry, restore(stored, entry, vocabulary, labels), vocabulary, tokenizer_files)


class TorchMember:
    """A member that could not be exported, restored from a bundle and run by torch."""

    def __init__(self, stored: Bundle, entry: Mapping[str, Any], text_ids: TextIds, labels: int) -> None:
        self._text_ids = text_ids
        self._network = restore(stored, entry, text_ids.vocabulary, labels)

    def logits(self, texts: Sequence[str]) -> Floats:
        """Map normalised texts to logits ``(batch, labels)``."""
        return run_sorted(self._text_ids(texts), self._run)

    def _run(self, ids: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(self._network(torch.from_numpy(ids), torch.from_numpy(mask)))


def restore(stored: Bundle, entry: Mapping[str, Any], vocabulary: Vocabulary, labels: int) -> Network:
    """Make a saved member's network again, with the weights as saved.

    :raises MissingPlugin: if a component is not installed.
    :raises BundleError: if the weights are missing or do not fit.
    """
    path = f"{entry['name']}/{bundle.WEIGHTS}"
    with stored.reading(path):
        embedding = make_again("embedding", entry)
        embedding.build(vocabulary)
        encoder = make_again("encoder", entry, input_dim=embedding.dim)
        head = Head.again(entry["head"], input_dim=encoder.output_dim, labels=labels)
        network = Network(embedding, encoder, head)
        load_weights(network, stored.read(path))
    return network.eval()


def load_weights(network: nn.Module, data: bytes) -> None:
    """Put saved weights in.

    :raises ValueError: if they are damaged, or do not fit.
    """
    try:
        network.load_state_dict(weights := load_tensors(data))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    for name, tensor in weights.items():
        numbers = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # numpy has no bfloat16
        check_weights(f"the weights {name}", numbers.numpy())


def dump_weights(network: nn.Module) -> bytes:
    """Weights as `load_weights` reads them."""
    return save_tensors({k: v.contiguous() for k, v in network.state_dict().items()})


def check_pair(tokenizer: Made, embedding: Made) -> None:
    """Refuse a tokenizer and an embedding of which one goes with others only, unless the other names it.

    :raises SettingError: saying which.
    """
    wanted = (tokenizer, embedding, tokenizer.part.embeddings), (embedding, tokenizer, embedding.part.tokenizers)
    if not any(names is not None and other.component.name in names for _, other, names in wanted):
        for one, other, names in wanted:
            if names is not None:
                raise SettingError(
                    f"the {one.component.kind} {one.component.name} goes with the {other.component.kind} "
                    f"{' or '.join(names)}, not with {other.component.name}"
                )
    embedding.part.check_tokenizer(tokenizer.part)


def check_shapes(embedding: Made, encoder: Made) -> None:
    """See on two rows that vectors and states are as long as their plugins say.

    :raises PluginError: naming the one that is not.
    """
    vectors = _tried(embedding, torch.full((2, 3), UNKNOWN))
    _check_shape(embedding, "dim", vectors, embedding.part.dim)
    check_encoder(encoder, vectors)


def check_encoder(encoder: Made, vectors: torch.Tensor) -> None:
    """See that of vectors ``(2, 3, dim)`` an encoder makes states as long as it says.

    :raises PluginError: naming it, if it does not.
    """
    returned = _tried(encoder, vectors)
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise PluginError(f"{_whose(encoder)} returns {type(returned).__name__}, not states and a state to carry on")
    _check_shape(encoder, "output_dim", returned[0], encoder.part.output_dim)
    if (ways := encoder.part.directions) not in (1, 2) or encoder.part.output_dim % ways:
        raise PluginError(f"{_whose(encoder)} says directions {ways!r}: expected 1, or 2 where a state has two halves")
    if not bool(returned[0][_two_rows()].isfinite().all()):
        raise PluginError(f"{_whose(encoder)} returns states that are no numbers, before anything is learnt")
    if returned[0].dtype != vectors.dtype:
        raise PluginError(f"{_whose(encoder)} returns states of {returned[0].dtype}, not of {vectors.dtype}")
    try:
        json.dumps(encoder.part.config)
    except (TypeError, ValueError) as error:
        raise PluginError(f"{_whose(encoder)} has a config that is no JSON: {error}") from error


def check_causal(encoder: Made, dim: int) -> None:
    """Refuse an encoder whose states have seen what they shall foretell.

    :param dim: numbers in a vector.
    :raises SettingError: saying what to set, if it says that it is not causal.
    :raises PluginError: if it says that it is, and is not.
    """
    if not encoder.part.causal:
        known = ("bidirectional", "encoder.bidirectional=false"), ("causal", "encoder.causal=true")
        options = [option for name, option in known if name in encoder.part.config]
        mend = f"set {options[0]}" if options else "choose another, such as lstm (or say causal = True, if it is)"
        name = encoder.component.name
        raise SettingError(f"the encoder {name} sees what comes after, which is yet to come: {mend}")
    vectors = torch.linspace(-1, 1, 6 * dim).view(2, 3, dim)
    other = torch.cat([vectors[:, :1], -vectors[:, 1:]], 1)  # the same first step
    before, after = (_tried(encoder, read)[0][:, 0] for read in (vectors, other))
    if not torch.allclose(before, after, rtol=1e-4, atol=1e-5):
        raise PluginError(f"{_whose(encoder)} says causal = True, but its first state changes with what comes after")


def fitted(embedding: Made, documents: Iterable[Sequence[str]], targets: Sequence[int]) -> Vocabulary:
    """Fit an embedding to documents.

    :raises PluginError: for a fault of its code.
    """
    with _blaming(embedding, "cannot be fitted"):
        vocabulary = embedding.part.fit(documents, targets)
    if not isinstance(vocabulary, TableVocabulary | HashVocabulary):
        raise PluginError(f"{_whose(embedding)} returns {type(vocabulary).__name__} from fit, not a vocabulary")
    return vocabulary


def _two_rows() -> torch.Tensor:
    """The mask of two rows, of three steps and of two."""
    return torch.tensor([[True, True, True], [True, True, False]])


def _tried(made: Made, inputs: torch.Tensor) -> Any:
    """What a part makes of two rows of three and two, outside training."""
    mode = made.part.training
    with torch.inference_mode(), _blaming(made, "fails on 2 rows of 3 tokens"):
        found = made.part.eval()(inputs, _two_rows())
    made.part.train(mode)
    return found


@contextmanager
def _blaming(made: Made, what: str) -> Iterator[None]:
    """Whatever a stranger's code raises is one sentence that names the component; files and memory keep their own."""
    try:
        yield
    except (NlpkitError, OSError, MemoryError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise PluginError(f"{_whose(made)} {what}: {type(error).__name__}: {said}") from error


def _whose(made: Made) -> str:
    return made.component.whole_name


def _check_shape(made: Made, name: str, found: Any, said: int) -> None:
    shape = tuple(getattr(found, "shape", ()))
    if shape != (2, 3, said):
        raise PluginError(
            f"{_whose(made)} says {name} {said}, but for 2 rows of 3 tokens it returns {shape}, not {(2, 3, said)}"
        )


def remarks_of(*made: Made) -> list[str]:
    """What parts have to say of the files that they were given, each sentence once."""
    return list(dict.fromkeys(remark for one in made for remark in one.part.remarks))


def rehearse(settings: Settings) -> list[str]:
    """Make every part once, before any corpus is read.

    :returns: what a user should know of the files that parts were given, a sentence each.
    :raises SettingError: for a value that a part refuses, or parts that do not go together.
    :raises DataError: for a file that a part needs and cannot read.
    """
    normaliser, remarks = Normaliser(**settings.normalisation), []
    for member in settings.members:
        tokenizer = make("tokenizer", member.tokenizer, normaliser=normaliser)
        made = make("embedding", member.embedding, normaliser=normaliser)
        remarks += remarks_of(tokenizer, made)
        check_pair(tokenizer, made)
        embedding: Embedding = made.part
        encoder: Encoder = make("encoder", member.encoder, input_dim=embedding.dim or 2).part
        if not embedding.ordered and (not encoder.identity or member.max_length):
            raise SettingError(
                f"{member.name}: the embedding {member.embedding['name']} keeps no order, so it goes with the encoder "
                f"none and max_length 0, not with {member.encoder['name']} and {member.max_length}"
            )
        if member.training.pretrain and not encoder.one_way_halves:
            raise SettingError(
                f"{member.name}: training.pretrain goes with rnn, lstm or gru, one layer, bidirectional, norm not "
                f"batch; was: {dict(member.encoder)}"
            )
    return list(dict.fromkeys(remarks))
