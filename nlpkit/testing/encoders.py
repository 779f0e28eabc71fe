"""Checks of encoders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nlpkit.errors import SettingError
from nlpkit.model.head_settings import HeadSettings
from nlpkit.model.network import Head, Network
from nlpkit.testing import batches
from nlpkit.testing.batches import check_near, check_numbers
from nlpkit.testing.components import INPUT_DIM
from nlpkit.testing.discovery import Subject
from nlpkit.testing.kit import CheckError, NotChecked
from nlpkit.testing.samples import PLAIN
from nlpkit.text.vocabulary import Tokens

LENGTHS = (7, 1, 0, 4)
LONG = 1500


def surroundings(subject: Subject) -> None:
    """Make one, and have it read."""
    _compute_states(_make(subject), *_make_rows())


def shapes(subject: Subject) -> None:
    """See that states are float32 ``(batch, time, output_dim)``."""
    _check_shapes(_make(subject), INPUT_DIM)
    try:
        other = subject.component.create(subject.options, input_dim=INPUT_DIM // 2).eval()
    except SettingError:
        return
    _check_shapes(other, INPUT_DIM // 2)


def padding(subject: Subject) -> None:
    """Change what stands in padding, and how much there is of it: no state changes."""
    encoder = _make(subject)
    vectors, mask = _make_rows()
    expected = _compute_states(encoder, vectors, mask)[mask]
    says = "what stands under a false mask must not change a state; use the mask"
    other = torch.where(mask[:, :, None], vectors, 50 * torch.randn_like(vectors))
    check_near(_compute_states(encoder, other, mask)[mask], expected, says)
    wider = torch.cat([other, 50 * torch.randn(len(other), 3, INPUT_DIM)], 1)
    more = torch.nn.functional.pad(mask, (0, 3))
    check_near(_compute_states(encoder, wider, more)[more], expected, says)


def batch_mates(subject: Subject) -> None:
    """Compare a row alone with the same among others."""
    encoder = _make(subject)
    vectors, mask = _make_rows()
    together = _compute_states(encoder, vectors, mask)
    for row, visible in enumerate(mask):
        alone = _compute_states(encoder, vectors[row : row + 1], mask[row : row + 1])[0]
        check_near(alone[visible], together[row][visible], "a row's states must not depend on the rows beside it")


def causal(subject: Subject) -> None:
    """Change later vectors: no state of an encoder that says that it is causal changes."""
    encoder = _make(subject)
    if not encoder.causal:
        raise NotChecked("it says that it is not causal")
    vectors, mask = _make_rows((8,))
    before = _compute_states(encoder, vectors, mask)
    for time in range(1, 8):
        later = torch.cat([vectors[:, :time], torch.randn(1, 8 - time, INPUT_DIM)], 1)
        states = _compute_states(encoder, later, mask)[:, :time]
        check_near(
            states, before[:, :time], "causal is true, but a state depends on a later vector; say causal = False"
        )


def state(subject: Subject) -> None:
    """Read a text in pieces, the state carried on, and compare with the whole."""
    encoder = _make(subject)
    vectors, mask = _make_rows((7, 7))
    parts, memory = [], None
    for first, last in ((0, 3), (3, 4), (4, 7)):
        with torch.no_grad():
            states, memory = encoder(vectors[:, first:last], mask[:, first:last], memory)
        if memory is None:
            raise NotChecked("it carries no state")
        parts.append(states)
    whole = _compute_states(encoder, vectors, mask)
    check_near(torch.cat(parts, 1), whole, "pieces with the state carried on equal the whole; or carry None")


def determinism(subject: Subject) -> None:
    """See that making and reading depend on nothing but torch's seed, and outside training not on that either."""
    encoder = _make(subject)
    vectors, mask = _make_rows()
    says = "outside training, the same vectors have the same states"
    check_near(_compute_states(encoder, vectors, mask), _compute_states(encoder, vectors, mask), says)
    encoder.train()
    batches.check_same_seed(lambda: _compute_states(encoder, vectors, mask)[mask], "in training")
    batches.check_same_seed(lambda: _compute_states(_make(subject), vectors, mask)[mask], "made anew")


def save_and_load(subject: Subject) -> None:
    """Make an encoder of what is saved, and compare."""
    encoder = _make(subject)
    again = subject.remake(batches.copy_through_json(encoder.config), input_dim=INPUT_DIM).eval()
    if again.output_dim != encoder.output_dim:
        raise CheckError(f"loaded, its output_dim is {again.output_dim}, not {encoder.output_dim}: let config say it")
    batches.copy_through_file(encoder, again)
    vectors, mask = _make_rows()
    states, expected = (_compute_states(each, vectors, mask)[mask] for each in (again, encoder))
    check_near(states, expected, "loaded, it has the states that were saved; keep all in state_dict")


def gradients(subject: Subject) -> None:
    """See that what is to be learnt is, the embedding below among it."""
    for variant, frozen in batches.list_variants(subject):
        encoder = _make(variant).train()
        vectors, mask = _make_rows()
        vectors.requires_grad_()
        batches.check_gradients(encoder, partial(_under_mask, encoder, vectors, mask), frozen=frozen)
        if vectors.grad is None or not vectors.grad.any() or not vectors.grad.isfinite().all():
            raise CheckError("no gradient reaches the vectors, so that no embedding is trained: do not detach them")


def export(subject: Subject) -> None:
    """Export a classifier with a table of vectors below, and compare."""
    encoder = _make(subject)
    embedding = subject.registry.get("embedding", "trainable").create({"dim": INPUT_DIM, "min_count": 1})
    vocabulary = embedding.fit([list(text) for text in PLAIN], [0] * len(PLAIN))
    head = Head(HeadSettings(), input_dim=encoder.output_dim, labels=2)
    rows = [[PLAIN[6], PLAIN[3], "", PLAIN[0]], [PLAIN[3]], PLAIN]
    padded = [vocabulary.encode(Tokens.of([list(text) for text in texts])).padded() for texts in rows]
    inputs = [(torch.from_numpy(ids), torch.from_numpy(mask)) for ids, mask in padded]
    batches.check_export(Network(embedding, encoder, head), inputs)


def _make(subject: Subject) -> Any:
    """Make an encoder; return it outside training."""
    return subject.make(input_dim=INPUT_DIM).eval()


def _make_rows(lengths: Sequence[int] = LENGTHS, dim: int = INPUT_DIM) -> tuple[Tensor, Tensor]:
    """Draw vectors ``(batch, time, dim)`` and a mask of rows of some lengths, the longest first."""
    mask = torch.arange(max(1, *lengths, 0)) < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, dim), mask


def _compute_states(encoder: Any, vectors: Tensor, mask: Tensor) -> Tensor:
    """Return states ``(batch, time, output_dim)``."""
    with torch.no_grad():
        states, _ = encoder(vectors, mask)
    return states  # type: ignore[no-any-return]


def _check_shapes(encoder: Any, dim: int) -> None:
    for lengths in (LENGTHS, (1,), (0,), (LONG, 2)):
        vectors, mask = _make_rows(lengths, dim)
        with torch.no_grad():
            answer = encoder(vectors, mask)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise CheckError(
                f"forward returns a {type(answer).__name__}, where states and a state to carry were expected"
            )
        check_numbers(answer[0], (*mask.shape, encoder.output_dim), "the states (batch, time, output_dim)")


def _under_mask(encoder: Any, vectors: Tensor, mask: Tensor) -> Tensor:
    """Return the states at tokens ``(n, output_dim)``."""
    states: Tensor = encoder(vectors, mask)[0][mask]
    return states
