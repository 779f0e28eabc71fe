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


def shapes(subject: Subject) -> None:
    """States are float32 ``(batch, time, output_dim)``."""
    _check_shapes(_made(subject), INPUT_DIM)
    try:
        other = subject.component.create(subject.options, input_dim=INPUT_DIM // 2).eval()
    except SettingError:
        return
    _check_shapes(other, INPUT_DIM // 2)


def padding(subject: Subject) -> None:
    """Neither what stands in padding nor how much there is of it changes a state."""
    encoder = _made(subject)
    vectors, mask = _rows()
    expected = _states(encoder, vectors, mask)[mask]
    says = "what stands under a false mask must not change a state; use the mask"
    other = torch.where(mask[:, :, None], vectors, 50 * torch.randn_like(vectors))
    check_near(_states(encoder, other, mask)[mask], expected, says)
    wider = torch.cat([other, 50 * torch.randn(len(other), 3, INPUT_DIM)], 1)
    more = torch.nn.functional.pad(mask, (0, 3))
    check_near(_states(encoder, wider, more)[more], expected, says)


def batch_mates(subject: Subject) -> None:
    """A row alone has the states that it has among others."""
    encoder = _made(subject)
    vectors, mask = _rows()
    together = _states(encoder, vectors, mask)
    for row, there in enumerate(mask):
        alone = _states(encoder, vectors[row : row + 1], mask[row : row + 1])[0]
        check_near(alone[there], together[row][there], "a row's states must not depend on the rows beside it")


def causal(subject: Subject) -> None:
    """No state of an encoder that says so has seen what comes later."""
    encoder = _made(subject)
    if not encoder.causal:
        raise NotChecked("it says that it is not causal")
    vectors, mask = _rows((8,))
    before = _states(encoder, vectors, mask)
    for time in range(1, 8):
        later = torch.cat([vectors[:, :time], torch.randn(1, 8 - time, INPUT_DIM)], 1)
        found = _states(encoder, later, mask)[:, :time]
        check_near(found, before[:, :time], "causal is true, but a state depends on a later vector; say causal = False")


def state(subject: Subject) -> None:
    """A text that is read in pieces, the state carried on, has the states that it has read at once."""
    encoder = _made(subject)
    vectors, mask = _rows((7, 7))
    parts, carried = [], None
    for first, last in ((0, 3), (3, 4), (4, 7)):
        with torch.no_grad():
            states, carried = encoder(vectors[:, first:last], mask[:, first:last], carried)
        if carried is None:
            raise NotChecked("it carries no state")
        parts.append(states)
    whole = _states(encoder, vectors, mask)
    check_near(torch.cat(parts, 1), whole, "pieces with the state carried on equal the whole; or carry None")


def determinism(subject: Subject) -> None:
    """Neither making nor reading depends on anything but torch's seed; outside training, not on that either."""
    encoder = _made(subject)
    vectors, mask = _rows()
    says = "outside training, the same vectors have the same states"
    check_near(_states(encoder, vectors, mask), _states(encoder, vectors, mask), says)
    encoder.train()
    batches.check_same_seed(lambda: _states(encoder, vectors, mask)[mask], "in training")
    batches.check_same_seed(lambda: _states(_made(subject), vectors, mask)[mask], "made anew")


def save_and_load(subject: Subject) -> None:
    """An encoder made of what is saved is equal."""
    encoder = _made(subject)
    again = subject.remake(batches.stored(encoder.config), input_dim=INPUT_DIM).eval()
    if again.output_dim != encoder.output_dim:
        raise CheckError(f"loaded, its output_dim is {again.output_dim}, not {encoder.output_dim}: let config say it")
    batches.through_files(encoder, again)
    vectors, mask = _rows()
    found, expected = (_states(each, vectors, mask)[mask] for each in (again, encoder))
    check_near(found, expected, "loaded, it has the states that were saved; keep all in state_dict")


def gradients(subject: Subject) -> None:
    """What is to be learnt is, the embedding below among it."""
    for variant, frozen in batches.variants(subject):
        encoder = _made(variant).train()
        vectors, mask = _rows()
        vectors.requires_grad_()
        batches.check_gradients(encoder, partial(_under_mask, encoder, vectors, mask), frozen=frozen)
        if vectors.grad is None or not vectors.grad.any() or not vectors.grad.isfinite().all():
            raise CheckError("no gradient reaches the vectors, so that no embedding is trained: do not detach them")


def export(subject: Subject) -> None:
    """A classifier with a table of vectors below says the same exported."""
    encoder = _made(subject)
    embedding = subject.registry.get("embedding", "trainable").create({"dim": INPUT_DIM, "min_count": 1})
    vocabulary = embedding.fit([list(text) for text in PLAIN], [0] * len(PLAIN))
    head = Head(HeadSettings(), input_dim=encoder.output_dim, labels=2)
    rows = [[PLAIN[6], PLAIN[3], "", PLAIN[0]], [PLAIN[3]], PLAIN]
    padded = [vocabulary.encode(Tokens.of([list(text) for text in texts])).padded() for texts in rows]
    found = [(torch.from_numpy(ids), torch.from_numpy(mask)) for ids, mask in padded]
    batches.check_export(Network(embedding, encoder, head), found)


def _made(subject: Subject) -> Any:
    """Outside training."""
    return subject.make(input_dim=INPUT_DIM).eval()


def _rows(lengths: Sequence[int] = LENGTHS, dim: int = INPUT_DIM) -> tuple[Tensor, Tensor]:
    """Vectors ``(batch, time, dim)`` and mask of rows of some lengths, the longest first."""
    mask = torch.arange(max(1, *lengths, 0)) < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, dim), mask


def _states(encoder: Any, vectors: Tensor, mask: Tensor) -> Tensor:
    """States ``(batch, time, output_dim)``."""
    with torch.no_grad():
        states, _ = encoder(vectors, mask)
    return states  # type: ignore[no-any-return]


def _check_shapes(encoder: Any, dim: int) -> None:
    for lengths in (LENGTHS, (1,), (0,), (LONG, 2)):
        vectors, mask = _rows(lengths, dim)
        with torch.no_grad():
            found = encoder(vectors, mask)
        if not isinstance(found, tuple) or len(found) != 2:
            raise CheckError(
                f"forward returns a {type(found).__name__}, where states and a state to carry were expected"
            )
        check_numbers(found[0], (*mask.shape, encoder.output_dim), "the states (batch, time, output_dim)")


def _under_mask(encoder: Any, vectors: Tensor, mask: Tensor) -> Tensor:
    """States at tokens ``(n, output_dim)``."""
    found: Tensor = encoder(vectors, mask)[0][mask]
    return found
