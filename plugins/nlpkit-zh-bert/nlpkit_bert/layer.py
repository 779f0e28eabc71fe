"""The embedding ``bert`` as a torch module; imported only where something is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub.errors import StrictDataclassError
from nlpkit import DataError, Embedding, SettingError
from nlpkit.text import TableVocabulary, Vocabulary
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from nlpkit_bert.folder import CONFIG, SIZES, WHOLE, check_weights, locate, read_config, silence
from nlpkit_bert.pieces import PADDING, UNKNOWN, WordpieceTokenizer, pieces_of, read_folder

SHAPE = (
    *SIZES,
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "type_vocab_size",
    "layer_norm_eps",
)
ATTENTION = "sdpa"


class BertEmbedding(Embedding, nn.Module):
    """States of a BERT; see `nlpkit_bert.bert`.

    Layers behind the one asked for are left out, and so is the pooler. Ids are those of a `TableVocabulary` of the
    model's own pieces; the buffer ``pieces`` maps them to its numbers.

    :raises DataError: if the model's folder lacks something, or it is no BERT.
    """

    tokenizers = ("wordpiece",)

    def __init__(self, *, model: str | None, frozen: bool, layer: int, architecture: Mapping[str, Any] | None) -> None:
        super().__init__()
        self._folder: Path | None = None
        if architecture is None:
            self._folder = locate(model, WHOLE)
            architecture = _shape_of(self._folder)
        elif model is not None:
            raise ValueError("architecture is for a saved model: give model alone")
        self._shape = _make_config(architecture, layer)
        self.config: dict[str, Any] = {"frozen": frozen, "layer": layer, "architecture": dict(architecture)}
        self.fixed = frozen
        self.dim: int = self._shape.hidden_size
        self.positions: int = self._shape.max_position_embeddings
        self.model: BertModel
        self.pieces: Tensor

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:  # noqa: ARG002
        """Take weights and pieces from the model's folder; the documents change nothing.

        :raises SettingError: if it was made without a model.
        :raises DataError: if the weights are damaged, or not those of config.json.
        """
        if self._folder is None:
            raise SettingError("the embedding bert has no weights to start from: set embedding.model")
        known = pieces_of(read_folder(self._folder))
        own = [known.pop(PADDING), known.pop(UNKNOWN)]
        self._take(_load_weights(self._folder, self._shape), torch.tensor([*own, *known.values()]))
        return TableVocabulary(list(known))

    def check_tokenizer(self, tokenizer: WordpieceTokenizer) -> None:
        """Refuse the pieces of another model, most of which would be unknown to this one.

        :raises SettingError: saying what to set.
        """
        if self._folder is not None and tokenizer.pieces != pieces_of(read_folder(self._folder)):
            raise SettingError(
                "the tokenizer wordpiece has other pieces than {folder}: give one folder or name to "
                "both tokenizer.model and embedding.model",
                folder=self._folder,
            )

    def build(self, vocabulary: Vocabulary) -> None:
        """Make empty weights; a row's ids are mapped to pieces by a buffer that is to be filled too."""
        model = BertModel(self._shape, add_pooling_layer=False)
        self._take(model, torch.zeros(len(vocabulary), dtype=torch.int64))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map ids and mask ``(batch, time)`` to states ``(batch, time, dim)``.

        :raises SettingError: for rows longer than the model has positions.
        """
        if ids.shape[1] > self.positions:
            raise SettingError(
                "a row has {shape} pieces, but the model {positions} positions: set tokenizer.longest={positions}",
                shape=ids.shape[1],
                positions=self.positions,
            )
        first = torch.arange(ids.shape[1], device=ids.device) == 0
        seen = mask | first  # a row without tokens would see nothing, and its states be no numbers
        return self.model(input_ids=self.pieces[ids], attention_mask=seen).last_hidden_state  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> Self:
        """Set the mode as every module does; a frozen BERT stays as it is, without dropout."""
        super().train(mode)
        if self.fixed:
            for module in self.children():
                module.eval()
        return self

    def _take(self, model: BertModel, pieces: Tensor) -> None:
        self.model = model.requires_grad_(not self.fixed)
        self.register_buffer("pieces", pieces)
        self.train(self.training)


def _shape_of(folder: Path) -> dict[str, Any]:
    """Read what config.json says of the weights; see that all else is in the folder, too."""
    config = read_config(folder)
    check_weights(folder)
    known = pieces_of(read_folder(folder))
    if max(known.values()) >= config["vocab_size"]:
        raise DataError(
            "{folder} has {known} pieces, but {config} says vocab_size {vocab_size}: tokenizer "
            "and weights are of different models",
            folder=folder,
            known=max(known.values()) + 1,
            config=CONFIG,
            vocab_size=config["vocab_size"],
        )
    return {name: config[name] for name in SHAPE if name in config}


def _make_config(architecture: Mapping[str, Any], layer: int) -> BertConfig:
    """Describe a BERT up to a layer.

    :raises ValueError: if there is no such layer, or the architecture is not one.
    """
    if unknown := sorted(set(architecture) - set(SHAPE)):
        raise ValueError(f"architecture has no {unknown[0]!r}")
    try:
        config = BertConfig(**architecture)
    except StrictDataclassError as error:
        raise ValueError(" ".join(str(error).split())) from error
    layers = config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise ValueError(
            f"layer must be in [{-layers - 1}, {layers}], as the model has {layers} layers, was: {layer!r}"
        )
    config.num_hidden_layers = layer if layer >= 0 else layers + 1 + layer
    config._attn_implementation = ATTENTION
    return config


def _load_weights(folder: Path, config: BertConfig) -> BertModel:
    """Load a BERT with the weights of a folder, in float32."""
    options = {"config": config, "add_pooling_layer": False, "dtype": torch.float32, "attn_implementation": ATTENTION}
    try:
        with silence():
            model, report = BertModel.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
            )
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise DataError(
            "the weights in {folder} cannot be read: {error}", folder=folder, error=" ".join(str(error).split())
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise DataError(
            "the weights in {folder} lack {missing}: are they those of {config}?",
            folder=folder,
            missing=missing[0],
            config=CONFIG,
        )
    return model
