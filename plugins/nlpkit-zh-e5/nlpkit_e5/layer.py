"""The embedding ``e5`` as a torch module; imported only where something is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
from nlpkit import Embedding, SettingError
from nlpkit.text import TableVocabulary, Vocabulary
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from nlpkit_e5.blocks import BlockLinear, BlockTable, Linear, RoundedLinear, unpack
from nlpkit_e5.pieces import PiecesTokenizer, read_files
from nlpkit_e5.weights import BEGIN, END, PIECES, WEIGHTS, folder, load_pieces

DIM, UNITS, HEADS, POSITIONS, EPSILON = 384, 1536, 12, 512, 1e-12


class E5Embedding(Embedding, nn.Module):
    """States of multilingual-e5-small (Wang et al. 2024, https://arxiv.org/abs/2402.05672); see `nlpkit_e5.e5`.

    Ids are those of a `TableVocabulary` of marks and pieces, in the order of the table's rows. The table, the positions
    and the layers below those that are tuned stay as they come, in blocks of 4 bits, and are saved so.

    :raises ValueError: if the options do not go together.
    """

    tokenizers = ("e5-pieces",)
    positions_count = POSITIONS

    def __init__(
        self, *, layers: int, tuned: int, states: Sequence[int] | None, join: str, dropout: float, rounded: bool
    ) -> None:
        super().__init__()
        self._wanted = sorted(set(states if states is not None else [layers]))
        _check(layers, tuned, states)
        self.config: dict[str, Any] = {"layers": layers, "tuned": tuned, "states": None if states is None else list(states)}
        self.config |= {"join": join, "dropout": dropout, "rounded": rounded}
        self.fixed = not tuned
        self.dim: int = DIM * (len(self._wanted) if join == "concat" else 1)
        self.positions: Tensor
        self.kind: Tensor

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:  # noqa: ARG002
        """Take pieces and weights from the package; the documents change nothing."""
        vocabulary = TableVocabulary([BEGIN, END, *_own_pieces()])
        self.build(vocabulary)
        self._fill(load_file(folder() / WEIGHTS))
        return vocabulary

    def check_tokenizer(self, tokenizer: PiecesTokenizer) -> None:
        """Refuse pieces of another version of the package, for which there are no vectors.

        :raises SettingError: saying what to do.
        """
        if tokenizer.pieces != _own_pieces():
            raise SettingError("the tokenizer e5-pieces has other pieces than the embedding e5: use both of one version")

    def build(self, vocabulary: Vocabulary) -> None:
        """Make empty weights."""
        layers, tuned, dropout = self.config["layers"], self.config["tuned"], self.config["dropout"]
        trained: Linear = RoundedLinear if self.config["rounded"] else nn.Linear
        self.table = BlockTable(len(vocabulary), DIM)
        self.register_buffer("positions", torch.zeros(POSITIONS, DIM, dtype=torch.float16))
        self.register_buffer("kind", torch.zeros(DIM, dtype=torch.float16))
        self.norm = nn.LayerNorm(DIM, EPSILON).requires_grad_(False)
        frozen = (Layer(BlockLinear, 0.0).requires_grad_(False) for _ in range(layers - tuned))
        self.layers = nn.ModuleList([*frozen, *(Layer(trained, dropout) for _ in range(tuned))])
        self.train(self.training)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map ids and mask ``(batch, time)`` to states ``(batch, time, dim)``.

        :raises SettingError: for rows longer than there are positions.
        """
        time = ids.shape[1]
        if time > POSITIONS:
            raise SettingError(
                "a row has {shape} pieces, but e5 {positions} positions: set tokenizer.longest={positions}",
                shape=time,
                positions=POSITIONS,
            )
        first = torch.arange(time, device=ids.device) == 0
        seen = (mask | first)[:, None, None, :]  # a row without tokens would see nothing, and its states be no numbers
        states = self.norm(self.table(ids) + self.positions[:time].float() + self.kind.float())
        kept = [states] if 0 in self._wanted else []
        for number, layer in enumerate(self.layers, start=1):
            states = layer(states, seen)
            if number in self._wanted:
                kept.append(states)
        if self.config["join"] == "concat":
            return torch.cat(kept, -1)
        return kept[0] if len(kept) == 1 else torch.stack(kept).mean(0)

    def train(self, mode: bool = True) -> Self:
        """Set the mode as every module does; layers that stay as they are have no dropout."""
        return super().train(mode)

    @torch.no_grad()
    def _fill(self, weights: dict[str, Tensor]) -> None:
        """Put in what the package's file has, and of layers that are trained the numbers that its blocks stand for."""
        own = self.state_dict()
        for name in own:
            stem, _, last = name.rpartition(".")
            given = weights.get(name)
            if given is None:
                assert last == "weight", name
                given = unpack(weights[f"{stem}.codes"].flatten(1), weights[f"{stem}.scales"])
            own[name] = given.reshape(own[name].shape).to(own[name].dtype)
        self.load_state_dict(own)


class Layer(nn.Module):
    """Attention, then a feed-forward network, each added to what goes in, and normalised behind (Vaswani et al. 2017,
    https://arxiv.org/abs/1706.03762).

    :param linear: makes a linear layer.
    """

    def __init__(self, linear: Linear, dropout: float) -> None:
        super().__init__()
        self.inward, self.outward = linear(DIM, 3 * DIM), linear(DIM, DIM)
        self.inner_norm = nn.LayerNorm(DIM, EPSILON)
        self.up, self.down = linear(DIM, UNITS), linear(UNITS, DIM)
        self.norm = nn.LayerNorm(DIM, EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        """States ``(batch, time, dim)`` to the same shape; which columns are seen ``(batch, 1, 1, time)``."""
        parts = self.inward(states).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        query, keys, values = parts.unbind(0)  # (batch, heads, time, size)
        rate = self.dropout.p if self.training else 0.0
        mixture = functional.scaled_dot_product_attention(query, keys, values, attn_mask=seen, dropout_p=rate)
        states = self.inner_norm(states + self.dropout(self.outward(mixture.transpose(1, 2).flatten(2))))
        return self.norm(states + self.dropout(self.down(functional.gelu(self.up(states)))))  # type: ignore[no-any-return]


def _check(layers: int, tuned: int, states: Sequence[int] | None) -> None:
    if tuned > layers:
        raise ValueError(f"tuned must be at most the layers that are used, here {layers}, was: {tuned}")
    if states is not None and (not states or max(states) != layers or len(set(states)) < len(states)):
        raise ValueError(f"states must be different layers, the highest of which is layers, here {layers}, was: {list(states)}")


def _own_pieces() -> list[str]:
    return [piece for piece, _ in load_pieces(read_files()[PIECES])[0]]
