"""The embedding ``e5`` as a torch module; imported only where something is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from nlpkit import Embedding, SettingError
from nlpkit.text import TableVocabulary, Vocabulary
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from nlpkit_e5.blocks import BlockLinear, BlockTable, Linear, RoundedLinear, unpack
from nlpkit_e5.pieces import PiecesTokenizer, read_files
from nlpkit_e5.weights import BEGIN, END, PIECES, WEIGHTS, folder, load_pieces

DIM, UNITS, HEADS, EPSILON = 384, 1536, 12, 1e-12
UNSEEN = -1e4  # what a column that is not seen scores


class E5Embedding(Embedding, nn.Module):
    """States of multilingual-e5-small (Wang et al. 2024, https://arxiv.org/abs/2402.05672); see `nlpkit_e5.e5`.

    Ids are those of a `TableVocabulary` of marks and pieces, in the order of the table's rows. The lower half, which is
    the table, the positions and the layers that are not tuned, stays as it comes, in blocks of 4 bits, and is saved so.

    :raises ValueError: if the options do not go together.
    """

    tokenizers = ("e5-pieces",)

    def __init__(
        self,
        *,
        layers: int,
        tuned: int,
        states: Sequence[int] | None,
        join: str,
        dropout: float,
        rounded: bool,
        longest: int,
    ) -> None:
        super().__init__()
        _check(layers, tuned, states)
        self.config: dict[str, Any] = {
            "layers": layers,
            "tuned": tuned,
            "states": states and list(states),
            "join": join,
        }
        self.config |= {"dropout": dropout, "rounded": rounded, "longest": longest}
        self.fixed, self.longest = not tuned, longest
        self.dim: int = DIM * (len(states) if states and join == "concat" else 1)
        self.lower: Lower
        self.upper: Upper

    def fit(self, documents: Iterable[Sequence[str]], labels: Sequence[int]) -> Vocabulary:  # noqa: ARG002
        """Take pieces and weights from the package; the documents change nothing."""
        vocabulary = TableVocabulary([BEGIN, END, *_own_pieces()])
        self.build(vocabulary)
        weights = load_file(folder() / WEIGHTS)
        _fill(self.lower, weights, 0)
        _fill(self.upper, weights, self.config["layers"] - self.config["tuned"])
        return vocabulary

    def check_tokenizer(self, tokenizer: PiecesTokenizer) -> None:
        """Refuse pieces of another version of the package, for which there are no vectors.

        :raises SettingError: saying what to do.
        """
        if tokenizer.pieces != _own_pieces():
            raise SettingError(
                "the tokenizer e5-pieces has other pieces than the embedding e5: use one version of both"
            )

    def build(self, vocabulary: Vocabulary) -> None:
        """Make empty weights."""
        config = self.config
        frozen, states = config["layers"] - config["tuned"], config["states"] or [config["layers"]]
        inner = sorted({state for state in states if state <= frozen} | {frozen})
        linear = RoundedLinear if config["rounded"] else nn.Linear
        self.lower = Lower(len(vocabulary), config["longest"], frozen, inner).requires_grad_(False)
        layers = [Layer(linear, config["dropout"]) for _ in range(config["tuned"])]
        self.upper = Upper(layers, inner, states, join=config["join"])
        self.train(self.training)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map ids and mask ``(batch, time)`` to vectors ``(batch, time, dim)``.

        :raises SettingError: for rows longer than there are positions.
        """
        return self.upper(self.lower(ids, mask), mask)  # type: ignore[no-any-return]

    def halves(self) -> tuple[Lower, Upper] | None:
        """Return what stays as it is, and the layers that are tuned; None where there is not a layer of either."""
        return (self.lower, self.upper) if self.lower.layers and self.upper.layers else None

    def finish(self) -> None:
        """Round for good what was trained rounded."""
        for module in self.upper.modules():
            if isinstance(module, RoundedLinear):
                module.finish()


class Lower(nn.Module):
    """Ids to the states of some layers, side by side; nothing of it is trained.

    :param rows: of the table of pieces.
    :param positions: how many there are.
    :param layers: how many.
    :param states: which; 0 is what goes into the first.
    """

    def __init__(self, rows: int, positions: int, layers: int, states: Sequence[int]) -> None:
        super().__init__()
        self.states = states
        self.dim = DIM * len(states)
        self.positions: Tensor
        self.kind: Tensor
        self.table = BlockTable(rows, DIM)
        self.register_buffer("positions", torch.zeros(positions, DIM, dtype=torch.float16))
        self.register_buffer("kind", torch.zeros(DIM, dtype=torch.float16))
        self.norm = nn.LayerNorm(DIM, EPSILON)
        self.layers = nn.ModuleList(Layer(BlockLinear, 0.0) for _ in range(layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask ``(batch, time)`` to states ``(batch, time, dim)``.

        :raises SettingError: for rows longer than there are positions.
        """
        if (time := ids.shape[1]) > len(self.positions):
            raise SettingError(
                "a row has {shape} pieces, but e5 {positions} positions: set tokenizer.longest={positions}",
                shape=time,
                positions=len(self.positions),
            )
        states, seen = self.norm(self.table(ids) + self.positions[:time].float() + self.kind.float()), _find_seen(mask)
        found = [states]
        for layer in self.layers:
            found.append(layer(found[-1], seen))
        return _concatenate([found[number] for number in self.states])


class Upper(nn.Module):
    """The states that `Lower` gives to vectors.

    :param layers: what is trained.
    :param inner: whose states come in, the last being what goes into these layers.
    :param states: whose make the vectors.
    :param join: mean or concat.
    """

    def __init__(self, layers: Sequence[Layer], inner: Sequence[int], states: Sequence[int], *, join: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.inner, self.states, self.join = inner, states, join

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """States ``(batch, time, inner dim)`` and mask ``(batch, time)`` to vectors ``(batch, time, dim)``."""
        found = dict(zip(self.inner, torch.split(vectors, DIM, -1), strict=True))
        last = self.inner[-1]
        for number, layer in enumerate(self.layers, start=last + 1):
            found[number] = layer(found[number - 1], _find_seen(mask))
        wanted = [found[number] for number in self.states]
        if self.join == "concat" or len(wanted) == 1:
            return _concatenate(wanted)
        return torch.stack(wanted).mean(0)


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
        if query.requires_grad:
            mixture = self._attend(query, keys, values, seen)
        else:
            mixture = functional.scaled_dot_product_attention(query, keys, values, attn_mask=seen)
        states = self.inner_norm(states + self.dropout(self.outward(mixture.transpose(1, 2).flatten(2))))
        return self.norm(states + self.dropout(self.down(functional.gelu(self.up(states)))))  # type: ignore[no-any-return]

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """Do what torch's function does, which takes four times as long where it is trained on short rows."""
        weights = (query * query.shape[-1] ** -0.5 @ keys.transpose(2, 3)).masked_fill(~seen, UNSEEN).softmax(3)
        mixture: Tensor = self.dropout(weights) @ values
        return mixture


def _check(layers: int, tuned: int, states: Sequence[int] | None) -> None:
    if tuned > layers:
        raise ValueError(f"tuned must be at most the layers that are used, here {layers}, was: {tuned}")
    if states is not None and (not states or max(states) != layers or len(set(states)) < len(states)):
        raise ValueError(
            f"states must be different layers, the highest of which is layers, here {layers}, was: {list(states)}"
        )


def _find_seen(mask: Tensor) -> Tensor:
    """Which columns are seen ``(batch, 1, 1, time)``: all under the mask, and the first, as a row without tokens would
    see nothing, and its states be no numbers.
    """
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return (mask | first)[:, None, None, :]


def _concatenate(states: Sequence[Tensor]) -> Tensor:
    return states[0] if len(states) == 1 else torch.cat(list(states), -1)


def _fill(part: nn.Module, weights: dict[str, Tensor], below: int) -> None:
    """Put the package's weights into a half, below which so many layers lie; those that are trained hold the numbers
    that the blocks stand for.
    """
    filled = {}
    for name, own in part.state_dict().items():
        layers, number, rest = name.split(".", 2) if name.startswith("layers.") else ("", "", name)
        there = f"{layers}.{int(number) + below}.{rest}" if layers else name
        if (given := weights.get(there)) is None:
            stem = there.removesuffix(".weight")
            given = unpack(weights[f"{stem}.codes"].flatten(1), weights[f"{stem}.scales"])
        filled[name] = given.reshape(-1, *own.shape[1:])[: len(own)].to(own.dtype)  # of positions the first
    part.load_state_dict(filled)


def _own_pieces() -> list[str]:
    return [piece for piece, _ in load_pieces(read_files()[PIECES])[0]]
