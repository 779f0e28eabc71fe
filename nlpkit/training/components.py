"""Makes the components that settings name, and refuses early what does not go together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from nlpkit.errors import NlpkitError, PluginError, SettingError
from nlpkit.plugins.component import Component
from nlpkit.plugins.registry import registry
from nlpkit.plugins.watched import watch_part
from nlpkit.text.normalisation import Normaliser
from nlpkit.text.vocabulary import UNKNOWN, HashVocabulary, SubwordVocabulary, TableVocabulary, Vocabulary


@dataclass(frozen=True)
class Part:
    """A component's instance, and where it came from."""

    component: Component
    instance: Any

    def __str__(self) -> str:
        """Say what it is and whose, to begin a sentence with."""
        return self.component.whole_name

    @property
    def record(self) -> dict[str, Any]:
        """What a bundle keeps of it."""
        origin = {"distribution": self.component.distribution, "version": self.component.version}
        return {"name": self.component.name, **origin, "config": dict(self.instance.config)}


def make_component(
    kind: str, settings: Mapping[str, Any], *, normaliser: Normaliser | None = None, **fixed: Any
) -> Part:
    """Make the component that settings name.

    :param normaliser: of the texts, for a component that has a use for it.
    :raises SettingError: for a name that nobody registers, or options that it refuses.
    :raises PluginError: if it is not what its kind promises.
    """
    options = dict(settings)
    component = registry().get(kind, options.pop("name"))
    return Part(component, watch_part(component, component.create(options, normaliser=normaliser, **fixed)))


def check_pair(tokenizer: Part, embedding: Part) -> None:
    """Refuse a tokenizer and an embedding of which one goes with others only, unless the other names it.

    :raises SettingError: saying which.
    """
    partners = (
        (tokenizer, embedding, tokenizer.instance.embeddings),
        (embedding, tokenizer, embedding.instance.tokenizers),
    )
    if not any(names is not None and other.component.name in names for _, other, names in partners):
        for one, other, names in partners:
            if names is not None:
                raise SettingError(
                    "the {kind} {name} goes with the {other_kind} {names}, not with {other_name}",
                    kind=one.component.kind,
                    name=one.component.name,
                    other_kind=other.component.kind,
                    names=" or ".join(names),
                    other_name=other.component.name,
                )
    embedding.instance.check_tokenizer(tokenizer.instance)


def check_shapes(embedding: Part, encoder: Part) -> None:
    """See on two rows that vectors and states are as long as their plugins say.

    :raises PluginError: naming the one that is not.
    """
    shape = (2, 3, 2) if embedding.instance.subwords else (2, 3)
    vectors = _try(embedding, torch.full(shape, UNKNOWN))
    _check_shape(embedding, "dim", vectors, embedding.instance.dim)
    check_encoder(encoder, vectors)


def check_encoder(encoder: Part, vectors: torch.Tensor) -> None:
    """See that of vectors ``(2, 3, dim)`` an encoder makes states as long as it says.

    :raises PluginError: naming it, if it does not.
    """
    result = _try(encoder, vectors)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise PluginError(
            "{encoder} returns {kind}, not states and a state to carry on", encoder=encoder, kind=type(result).__name__
        )
    _check_shape(encoder, "output_dim", result[0], encoder.instance.output_dim)
    if (ways := encoder.instance.directions) not in (1, 2) or encoder.instance.output_dim % ways:
        raise PluginError(
            "{encoder} says directions {ways!r}: expected 1, or 2 where a state has two halves",
            encoder=encoder,
            ways=ways,
        )
    if not bool(result[0][_make_mask()].isfinite().all()):
        raise PluginError("{encoder} returns states that are no numbers, before anything is learnt", encoder=encoder)
    if result[0].dtype != vectors.dtype:
        raise PluginError(
            "{encoder} returns states of {dtype}, not of {expected}",
            encoder=encoder,
            dtype=result[0].dtype,
            expected=vectors.dtype,
        )
    try:
        json.dumps(encoder.instance.config)
    except (TypeError, ValueError) as error:
        raise PluginError("{encoder} has a config that is no JSON: {error}", encoder=encoder, error=error) from error


def check_causal(encoder: Part, dim: int) -> None:
    """Refuse an encoder whose states have seen what they shall foretell.

    :param dim: numbers in a vector.
    :raises SettingError: saying what to set, if it says that it is not causal.
    :raises PluginError: if it says that it is, and is not.
    """
    if not encoder.instance.causal:
        switches = ("bidirectional", "encoder.bidirectional=false"), ("causal", "encoder.causal=true")
        options = [option for name, option in switches if name in encoder.instance.config]
        remedy = f"set {options[0]}" if options else "choose another, such as lstm (or say causal = True, if it is)"
        name = encoder.component.name
        raise SettingError(
            "the encoder {name} sees what comes after, which is yet to come: {remedy}", name=name, remedy=remedy
        )
    vectors = torch.linspace(-1, 1, 6 * dim).view(2, 3, dim)
    other = torch.cat([vectors[:, :1], -vectors[:, 1:]], 1)  # the same first step
    before, after = (_try(encoder, inputs)[0][:, 0] for inputs in (vectors, other))
    if not torch.allclose(before, after, rtol=1e-4, atol=1e-5):
        raise PluginError(
            "{encoder} says causal = True, but its first state changes with what comes after", encoder=encoder
        )


def fit_embedding(embedding: Part, documents: Iterable[Sequence[str]], targets: Any) -> Vocabulary:
    """Fit an embedding to documents.

    :raises PluginError: for a fault of its code.
    """
    with _blame(embedding, "cannot be fitted"):
        vocabulary = embedding.instance.fit(documents, targets)
    if not isinstance(vocabulary, TableVocabulary | HashVocabulary | SubwordVocabulary):
        raise PluginError(
            "{embedding} returns {kind} from fit, not a vocabulary", embedding=embedding, kind=type(vocabulary).__name__
        )
    if bool(vocabulary.pieces) is not embedding.instance.subwords:
        raise PluginError(
            "{embedding} says subwords = {pieces!r}, but its vocabulary is a {kind}: it must be true with a "
            "SubwordVocabulary, and with no other",
            embedding=embedding,
            pieces=embedding.instance.subwords,
            kind=type(vocabulary).__name__,
        )
    return vocabulary


def build_embedding(embedding: Part, vocabulary: Vocabulary) -> None:
    """Build an embedding for a vocabulary that is there already.

    :raises PluginError: for a fault of its code.
    """
    with _blame(embedding, "cannot be built"):
        embedding.instance.build(vocabulary)


def _make_mask() -> torch.Tensor:
    """Return the mask of two rows, of three steps and of two."""
    return torch.tensor([[True, True, True], [True, True, False]])


def _try(part: Part, inputs: torch.Tensor) -> Any:
    """Return what a part makes of two rows of three and two, outside training."""
    mode = part.instance.training
    with torch.inference_mode(), _blame(part, "fails on 2 rows of 3 tokens"):
        result = part.instance.eval()(inputs, _make_mask())
    part.instance.train(mode)
    return result


@contextmanager
def _blame(part: Part, what: str) -> Iterator[None]:
    """Whatever a stranger's code raises is one sentence that names the component; files and memory keep their own."""
    try:
        yield
    except (NlpkitError, OSError, MemoryError):
        raise
    except Exception as error:
        message = " ".join(str(error).split())
        raise PluginError(
            "{part} {what}: {kind}: {message}", part=part, what=what, kind=type(error).__name__, message=message
        ) from error


def _check_shape(part: Part, name: str, tensor: Any, size: int) -> None:
    shape = tuple(getattr(tensor, "shape", ()))
    if shape != (2, 3, size):
        raise PluginError(
            "{part} says {name} {size}, but for 2 rows of 3 tokens it returns {shape}, not {value}",
            part=part,
            name=name,
            size=size,
            shape=shape,
            value=(2, 3, size),
        )


def remarks_of(*parts: Part) -> list[str]:
    """Return what parts have to say of the files that they were given, each sentence once."""
    return list(dict.fromkeys(remark for one in parts for remark in one.instance.remarks))
