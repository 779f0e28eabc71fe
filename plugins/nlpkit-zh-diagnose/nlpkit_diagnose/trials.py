"""Networks for the three shapes of a task: strings with labels, sequences with numbers, series."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from nlpkit import PluginError, SettingError
from nlpkit.model import Head, HeadSettings, Network, VectorNetwork
from nlpkit.tasks.sentiment import Classification, ClassifierTraining
from nlpkit.text import Tokens, dump_vocabulary
from nlpkit.training import (
    Part,
    Rows,
    check_causal,
    check_encoder,
    check_shapes,
    fit_embedding,
    logits_of,
    make_component,
)
from numpy.typing import NDArray

from nlpkit_diagnose.dealing import Strings
from nlpkit_diagnose.regression import Regression
from nlpkit_diagnose.series import Series, SeriesNetwork, SeriesPrediction
from nlpkit_diagnose.task import DEVELOPMENT, Measurement, Settings, Trial

Floats = NDArray[np.floating[Any]]
REACH = 12  # steps over which it is seen whether the last state knows of the first


def make_string_trial(
    strings: Mapping[str, Strings],
    labels: int,
    settings: Settings,
    facts: Mapping[str, Any] | None = None,
    *,
    development: bool = False,
) -> Trial:
    """Compose a network that gives each string one of so many labels, a symbol a token.

    :param strings: by `nlpkit_diagnose.dealing.PARTS`.
    :param facts: that are kept with the network, for `nlpkit_diagnose.task.Task.answer`; JSON.
    :param development: whether the rows by which the epoch was chosen are measured as well.
    """
    assert isinstance(settings.training, ClassifierTraining)
    tokenizer = make_component("tokenizer", {"name": "char"}).instance
    documents = {place: [tokenizer.tokenize(text) for text in part.texts] for place, part in strings.items()}
    embedding = make_component("embedding", settings.embedding or {})
    vocabulary = fit_embedding(embedding, documents["train"], strings["train"].labels.tolist())
    encoder = make_component("encoder", settings.encoder, input_dim=embedding.instance.dim)
    check_shapes(embedding, encoder)
    head = Head.of_encoder(encoder.instance, settings.head or HeadSettings(), labels=labels)
    network = Network(embedding.instance, encoder.instance, head)
    rows = {
        place: Rows.of(vocabulary.encode(Tokens.of(documents[place])).rows(), part.labels)
        for place, part in strings.items()
    }

    def measure() -> Measurement:
        measured = {"accuracy": "test"} | ({DEVELOPMENT: "validation"} if development else {})
        return Measurement({name: _measure_accuracy(network, rows[place]) for name, place in measured.items()})

    objective = Classification(network, rows["train"], rows["validation"], settings.training, labels)
    reads = not _uses_last_state(settings) or reaches(network.encoder, network.embedding.dim)
    parts = {"embedding": embedding.record, "encoder": encoder.record, "head": head.config}
    plan = {
        "shape": "strings",
        "parts": parts,
        "outputs": labels,
        "vocabulary": json.loads(dump_vocabulary(vocabulary)),
    }
    return Trial(objective, encoder.instance.config, measure, reads, network, {**plan, "facts": dict(facts or {})})


def _measure_accuracy(network: Network, rows: Rows) -> float:
    return float((logits_of(network, rows).argmax(1).numpy() == rows.targets).mean())


def make_number_trial(
    parts: Mapping[str, Rows],
    settings: Settings,
    measure: Callable[[Predict], Measurement],
    facts: Mapping[str, Any] | None = None,
) -> Trial:
    """Compose a network that gives sequences of vectors numbers ``(rows, outputs)``.

    :param parts: by `nlpkit_diagnose.dealing.PARTS`.
    :param measure: is given what maps rows to the network's numbers.
    :param facts: that are kept with the network.
    """
    dim, outputs = parts["train"].inputs.shape[1], parts["train"].targets.shape[1]
    encoder = _make_encoder(settings, dim)
    head = Head.of_encoder(encoder.instance, settings.head or HeadSettings(), labels=outputs)
    network = VectorNetwork(encoder.instance, head)
    objective = Regression(network, parts["train"], parts["validation"], settings.training)
    reads = not _uses_last_state(settings) or bool(parts["train"].lengths.max() == 1) or reaches(encoder.instance, dim)
    made_of = {"encoder": encoder.record, "head": head.config}
    plan = {"shape": "numbers", "parts": made_of, "dim": dim, "outputs": outputs, "facts": dict(facts or {})}
    return Trial(
        objective,
        encoder.instance.config,
        lambda: measure(lambda rows: logits_of(network, rows).numpy()),
        reads,
        network,
        plan,
    )


Predict = Callable[[Rows], Floats]


def make_series_trial(
    train: Series,
    validation: Series,
    outputs: int,
    span: int,
    settings: Settings,
    measure: Callable[[SeriesNetwork], Measurement],
    facts: Mapping[str, Any] | None = None,
) -> Trial:
    """Compose a network that answers at each step of series of vectors, by an encoder that carries its state on.

    :param outputs: how many numbers answer a step.
    :param facts: that are kept with the network.
    :raises SettingError: if the encoder sees what comes after, or carries no state.
    """
    dim = train.inputs.shape[2]
    encoder = _make_encoder(settings, dim)
    check_causal(encoder, dim)
    network = SeriesNetwork(encoder.instance, dim=dim, outputs=outputs)
    try:
        objective = SeriesPrediction(network, train, validation, settings.training, span)
    except (SettingError, PluginError) as error:
        raise type(error)(f"{encoder.component.name}: {error}") from error
    plan = {"shape": "series", "parts": {"encoder": encoder.record}, "dim": dim, "outputs": outputs}
    plan["facts"] = dict(facts or {})
    return Trial(objective, encoder.instance.config, lambda: measure(network), network=network, plan=plan)


def _make_encoder(settings: Settings, dim: int) -> Part:
    encoder = make_component("encoder", settings.encoder, input_dim=dim)
    check_encoder(encoder, torch.zeros(2, 3, dim))
    return encoder


def _uses_last_state(settings: Settings) -> bool:
    """Whether the last state alone answers for a sequence."""
    return settings.head is not None and settings.head.pooling == "last"


def reaches(encoder: Any, dim: int) -> bool:
    """Whether the last state of `REACH` steps depends on the first."""
    vectors = torch.linspace(-1, 1, REACH * dim).view(1, REACH, dim)
    other = torch.cat([-vectors[:, :1], vectors[:, 1:]], 1)
    mask = torch.ones(1, REACH, dtype=torch.bool)
    training = encoder.training
    encoder.eval()
    with torch.inference_mode():
        last, changed = (encoder(read, mask)[0][:, -1] for read in (vectors, other))
    encoder.train(training)
    return not torch.equal(last, changed)
