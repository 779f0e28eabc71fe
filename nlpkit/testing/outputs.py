"""Checks of output embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save
from torch import Tensor, nn

from nlpkit.errors import SettingError
from nlpkit.testing import batches
from nlpkit.testing.batches import check_near, check_numbers
from nlpkit.testing.components import INPUT_DIM
from nlpkit.testing.discovery import Subject
from nlpkit.testing.elsewhere import ask
from nlpkit.testing.kit import CheckError, NotChecked, sentence

WORDS = [a + b for a in "质量颜色大小" for b in "好坏一般不错"]
COUNTS = np.arange(10 * len(WORDS), 0, -10)
WHOLE = np.ones(len(WORDS))
KEPT = np.linspace(0.1, 1, len(WORDS))
DIM = 64
STEPS, RATE = 30, 0.02
ROUNDING = 0.05  # of a loss in nats: tables may be stored in a byte a number


@dataclass(frozen=True)
class Fitted:
    """An output embedding, its layer, and features ``(n, input_dim)`` with the words that it learnt of them."""

    coding: Any
    layer: Any
    features: Tensor
    targets: Tensor

    def outputs(self, features: Tensor | None = None) -> Tensor:
        """What the network puts out ``(n, width)``."""
        with torch.no_grad():
            found: Tensor = self.layer(self.features if features is None else features)
        return found

    def logits(self, outputs: Tensor) -> Tensor:
        """What the decoder makes of that ``(n, words)``, its arrays read from a file."""
        found = self.coding.decoder(load(_saved(self.layer.arrays()))).logits(outputs.numpy())
        if not isinstance(found, np.ndarray):
            raise CheckError(f"the decoder's logits are a {type(found).__name__}, where a numpy array was expected")
        return torch.from_numpy(np.asarray(found, dtype=np.float32))


def shapes(subject: Subject) -> None:
    """Outputs, logits and loss are what the protocol says, for many features and for one."""
    fitted = _fitted(subject)
    for features in (fitted.features, fitted.features[:1]):
        outputs = fitted.outputs(features)
        check_numbers(outputs, (len(features), outputs.shape[-1]), "the outputs (n, width)")
        check_numbers(fitted.logits(outputs), (len(features), len(WORDS)), "the logits (n, words)")
    for exact in (True, False):
        check_numbers(_loss(fitted, exact=exact), (), f"the loss (exact={exact})")
    try:
        fitted.coding.layer(input_dim=INPUT_DIM, words=2, inputs=_inputs)
    except Exception as error:  # a stranger's code
        raise CheckError(
            f"a layer for two words raised {sentence(error)}: one is made to see whether all fits"
        ) from error


def batch_mates(subject: Subject) -> None:
    """A row alone is answered as it is among others."""
    fitted = _fitted(subject)
    together = fitted.outputs()
    logits = fitted.logits(together)
    for row in range(4):
        alone = fitted.outputs(fitted.features[row : row + 1])
        check_near(alone[0], together[row], "a row's outputs must not depend on the rows beside it")
        found = fitted.logits(together[row : row + 1])[0]
        check_near(found, logits[row], "a row's logits must not depend on the rows beside it")


def agreement(subject: Subject) -> None:
    """The decoder's logits are the log-probabilities that the loss is of."""
    _check_agreement(_trained(subject, WHOLE), WHOLE, "let arrays() hold all that the loss is computed of")


def kept(subject: Subject) -> None:
    """Words that are asked for less often are made up for."""
    says = "arrays() must lessen each word's logit by the logarithm of its kept"
    _check_agreement(_trained(subject, KEPT), KEPT, says)


def determinism(subject: Subject) -> None:
    """Neither fitting nor a loss depends on anything but torch's seed."""
    batches.check_same_seed(lambda: _fitted(subject).outputs(), "fitted to the same words")
    batches.check_same_seed(lambda: _flat(_fitted(subject).layer), "fitted to the same words, the arrays")
    fitted = _fitted(subject)
    fitted.layer.train()
    batches.check_same_seed(lambda: _loss(fitted, exact=False), "the loss")


def save_and_load(subject: Subject) -> None:
    """A layer made of what is saved is equal."""
    fitted = _fitted(subject)
    coding = subject.remake(batches.stored(fitted.coding.config))
    layer = coding.layer(input_dim=INPUT_DIM, words=len(WORDS), inputs=_inputs)
    batches.through_files(fitted.layer, layer)
    again = Fitted(coding, layer.eval(), fitted.features, fitted.targets)
    says = "loaded, it says what was saved; keep all in state_dict"
    check_near(again.outputs(), fitted.outputs(), says)
    check_near(again.logits(fitted.outputs()), fitted.logits(fitted.outputs()), says)


def gradients(subject: Subject) -> None:
    """What is to be learnt is, the network below among it."""
    for variant, frozen in batches.variants(subject):
        fitted = _fitted(variant)
        fitted.features.requires_grad_()
        for exact in (True, False):
            batches.check_gradients(
                fitted.layer.train(),
                partial(fitted.layer.loss, fitted.features, fitted.targets, exact=exact),
                frozen=frozen,
            )
        if fitted.features.grad is None or not fitted.features.grad.any():
            raise CheckError("no gradient reaches the features, so that no network is trained: do not detach them")


def foreign_arrays(subject: Subject) -> None:
    """A damaged model is told as such."""
    coding = subject.make()
    foreign: dict[str, NDArray[Any]] = {"foreign": np.zeros(3, dtype=np.float32)}
    for arrays in ({}, foreign):
        try:
            coding.decoder(arrays)
        except (KeyError, ValueError):
            continue
        except Exception as error:  # a stranger's code
            raise CheckError(
                f"decoder({list(arrays)}) raised {sentence(error)}: raise ValueError or KeyError"
            ) from error
        raise CheckError(f"decoder takes arrays that are named {list(arrays)}: raise ValueError or KeyError for those")


def inference(subject: Subject) -> None:
    """A fresh interpreter gives the same logits and imports no torch."""
    fitted = _fitted(subject)
    outputs = fitted.outputs()
    saved = _saved(fitted.layer.arrays())
    found = ask(subject, "logits", config=fitted.coding.config, arrays=saved, outputs=outputs.tolist())
    if found["heavy"]:
        raise CheckError(f"decoding imports {', '.join(found['heavy'])}, which whoever fills blanks need not have")
    logits = torch.tensor(found["logits"], dtype=torch.float32)
    check_near(logits, fitted.logits(outputs), "the decoder says the same in another process")


def export(subject: Subject) -> None:
    """The layer is part of the graph that inference runs."""
    fitted = _fitted(subject)
    batches.check_layer_export(fitted.layer, [torch.randn(n, INPUT_DIM) for n in (2, 1, 5)])


def _inputs(words: Tensor) -> Tensor:
    """The input embedding's vectors ``(n, DIM)`` of words ``(n,)``: of each one's own, and of nothing that is drawn."""
    return torch.sin((words[:, None] + 1) * (torch.arange(DIM) + 1.0))


def _fitted(subject: Subject, kept: NDArray[Any] = WHOLE) -> Fitted:
    """Outside training."""
    coding = subject.make()
    layer = coding.layer(input_dim=INPUT_DIM, words=len(WORDS), inputs=_inputs)
    layer.fit(WORDS, COUNTS, kept, _vectors(coding))
    features = torch.randn(2 * len(WORDS), INPUT_DIM)
    return Fitted(coding, layer.eval(), features, torch.arange(2 * len(WORDS)) % len(WORDS))


def _vectors(coding: Any) -> Tensor | None:
    """A vector of each word ``(words, dim)``, of a length that it does not refuse."""
    if not coding.needs_vectors:
        return None
    numbers = [value for value in coding.config.values() if type(value) is int and 1 < value < 5000]
    for dim in (DIM, *numbers):
        try:
            coding.check_dim(dim)
        except SettingError:
            continue
        return torch.randn(len(WORDS), dim)
    raise NotChecked(f"check_dim refuses {DIM} numbers in a vector and whatever number its config holds")


def _trained(subject: Subject, kept: NDArray[Any]) -> Fitted:
    """As `_fitted`, but that it has begun to tell words apart: before, any logits would nearly do."""
    fitted = _fitted(subject, kept)
    if not fitted.coding.calibrated:
        raise NotChecked("it says that its logits are not trained as log-probabilities")
    learnt = [parameter for parameter in fitted.layer.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learnt, lr=RATE) if learnt else None
    for _ in range(STEPS if optimizer else 0):
        optimizer.zero_grad()  # type: ignore[union-attr]
        fitted.layer.train().loss(fitted.features, fitted.targets, exact=True).backward()
        optimizer.step()  # type: ignore[union-attr]
    fitted.layer.eval()
    return fitted


def _check_agreement(fitted: Fitted, kept: NDArray[Any], says: str) -> None:
    logits = fitted.logits(fitted.outputs()) + torch.from_numpy(np.log(kept)).float()
    targets = fitted.targets.roll(1)  # also of words that are not likely
    found = nn.functional.cross_entropy(logits, targets, reduction="none")
    for row, loss in enumerate(found.tolist()):
        with torch.no_grad():
            expected = float(fitted.layer.loss(fitted.features[row : row + 1], targets[row : row + 1], exact=True))
        if not abs(loss - expected) <= ROUNDING * (1 + abs(expected)):
            raise CheckError(f"by the decoder's logits a loss is {loss:.3f}, by the layer {expected:.3f} nats: {says}")


def _loss(fitted: Fitted, *, exact: bool) -> Tensor:
    with torch.no_grad():
        found: Tensor = fitted.layer.loss(fitted.features, fitted.targets, exact=exact)
    return found


def _flat(layer: Any) -> Tensor:
    """All numbers of the arrays of a layer."""
    return torch.cat(
        [torch.from_numpy(np.asarray(array, dtype=np.float32)).flatten() for array in layer.arrays().values()]
    )


def _saved(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Arrays as a model keeps them."""
    try:
        data: bytes = save(arrays)
    except Exception as error:  # safetensors has errors of its own
        raise CheckError(f"arrays() cannot be saved ({sentence(error)}): return numpy arrays by name") from error
    return data
