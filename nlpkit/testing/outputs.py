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
from nlpkit.testing.kit import CheckError, NotChecked, describe

WORDS = [a + b for a in "质量颜色大小" for b in "好坏一般不错"]
COUNTS = np.arange(10 * len(WORDS), 0, -10)
WHOLE = np.ones(len(WORDS))
KEPT = np.linspace(0.1, 1, len(WORDS))
DIM = 64
STEPS, RATE = 30, 0.02
ROUNDING = 0.05  # of a loss in nats: tables may be stored in a byte a number


@dataclass(frozen=True)
class FittedOutput:
    """An output embedding, its layer, and features ``(n, input_dim)`` with the words that it learnt of them."""

    coding: Any
    layer: Any
    features: Tensor
    targets: Tensor

    def outputs(self, features: Tensor | None = None) -> Tensor:
        """Return what the network puts out ``(n, width)``."""
        with torch.no_grad():
            outputs: Tensor = self.layer(self.features if features is None else features)
        return outputs

    def logits(self, outputs: Tensor) -> Tensor:
        """Return what the decoder makes of that ``(n, words)``, its arrays read from a file."""
        logits = self.coding.decoder(load(_dump(self.layer.arrays()))).logits(outputs.numpy())
        if not isinstance(logits, np.ndarray):
            raise CheckError(f"the decoder's logits are a {type(logits).__name__}, where a numpy array was expected")
        return torch.from_numpy(np.asarray(logits, dtype=np.float32))


def surroundings(subject: Subject) -> None:
    """Fit one, compute a loss, and decode."""
    fitted = _fit(subject)
    _compute_loss(fitted, exact=False)
    fitted.logits(fitted.outputs())


def shapes(subject: Subject) -> None:
    """See that outputs, logits and loss are what the protocol says, for many features and for one."""
    fitted = _fit(subject)
    for features in (fitted.features, fitted.features[:1]):
        outputs = fitted.outputs(features)
        check_numbers(outputs, (len(features), outputs.shape[-1]), "the outputs (n, width)")
        check_numbers(fitted.logits(outputs), (len(features), len(WORDS)), "the logits (n, words)")
    for exact in (True, False):
        check_numbers(_compute_loss(fitted, exact=exact), (), f"the loss (exact={exact})")
    try:
        fitted.coding.layer(input_dim=INPUT_DIM, words=2, inputs=_look_up)
    except Exception as error:  # a stranger's code
        raise CheckError(
            f"a layer for two words raised {describe(error)}: one is made to see whether all fits"
        ) from error


def batch_mates(subject: Subject) -> None:
    """Compare a row alone with the same among others."""
    fitted = _fit(subject)
    together = fitted.outputs()
    logits = fitted.logits(together)
    for row in range(4):
        alone = fitted.outputs(fitted.features[row : row + 1])
        check_near(alone[0], together[row], "a row's outputs must not depend on the rows beside it")
        alone = fitted.logits(together[row : row + 1])[0]
        check_near(alone, logits[row], "a row's logits must not depend on the rows beside it")


def agreement(subject: Subject) -> None:
    """See that the decoder's logits are the log-probabilities that the loss is of."""
    _check_agreement(_train(subject, WHOLE), WHOLE, "let arrays() hold all that the loss is computed of")


def kept(subject: Subject) -> None:
    """See that words that are asked for less often are made up for."""
    says = "arrays() must lessen each word's logit by the logarithm of its kept"
    _check_agreement(_train(subject, KEPT), KEPT, says)


def determinism(subject: Subject) -> None:
    """See that fitting and a loss depend on nothing but torch's seed."""
    batches.check_same_seed(lambda: _fit(subject).outputs(), "fitted to the same words")
    batches.check_same_seed(lambda: _flatten(_fit(subject).layer), "fitted to the same words, the arrays")
    fitted = _fit(subject)
    fitted.layer.train()
    batches.check_same_seed(lambda: _compute_loss(fitted, exact=False), "the loss")


def save_and_load(subject: Subject) -> None:
    """Make a layer of what is saved, and compare."""
    fitted = _fit(subject)
    coding = subject.remake(batches.copy_through_json(fitted.coding.config))
    layer = coding.layer(input_dim=INPUT_DIM, words=len(WORDS), inputs=_look_up)
    batches.copy_through_file(fitted.layer, layer)
    again = FittedOutput(coding, layer.eval(), fitted.features, fitted.targets)
    says = "loaded, it says what was saved; keep all in state_dict"
    check_near(again.outputs(), fitted.outputs(), says)
    check_near(again.logits(fitted.outputs()), fitted.logits(fitted.outputs()), says)


def gradients(subject: Subject) -> None:
    """See that what is to be learnt is, the network below among it."""
    for variant, frozen in batches.list_variants(subject):
        fitted = _fit(variant)
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
    """See that a damaged model is told as such."""
    coding = subject.make()
    foreign: dict[str, NDArray[Any]] = {"foreign": np.zeros(3, dtype=np.float32)}
    for arrays in ({}, foreign):
        try:
            coding.decoder(arrays)
        except (KeyError, ValueError):
            continue
        except Exception as error:  # a stranger's code
            raise CheckError(
                f"decoder({list(arrays)}) raised {describe(error)}: raise ValueError or KeyError"
            ) from error
        raise CheckError(f"decoder takes arrays that are named {list(arrays)}: raise ValueError or KeyError for those")


def inference(subject: Subject) -> None:
    """Ask a fresh interpreter: it gives the same logits, and imports no torch."""
    fitted = _fit(subject)
    outputs = fitted.outputs()
    saved = _dump(fitted.layer.arrays())
    answer = ask(subject, "logits", config=fitted.coding.config, arrays=saved, outputs=outputs.tolist())
    if answer["heavy"]:
        raise CheckError(f"decoding imports {', '.join(answer['heavy'])}, which whoever fills blanks need not have")
    logits = torch.tensor(answer["logits"], dtype=torch.float32)
    check_near(logits, fitted.logits(outputs), "the decoder says the same in another process")


def export(subject: Subject) -> None:
    """Export the layer, which is part of the graph that inference runs, and compare."""
    fitted = _fit(subject)
    batches.check_layer_export(fitted.layer, [torch.randn(n, INPUT_DIM) for n in (2, 1, 5)])


def _look_up(words: Tensor) -> Tensor:
    """Return an input embedding's vectors ``(n, DIM)`` of words ``(n,)``: each has its own, and none is drawn."""
    return torch.sin((words[:, None] + 1) * (torch.arange(DIM) + 1.0))


def _fit(subject: Subject, kept: NDArray[Any] = WHOLE) -> FittedOutput:
    """Fit an output embedding; return it outside training."""
    coding = subject.make()
    layer = coding.layer(input_dim=INPUT_DIM, words=len(WORDS), inputs=_look_up)
    layer.fit(WORDS, COUNTS, kept, _draw_vectors(coding))
    features = torch.randn(2 * len(WORDS), INPUT_DIM)
    return FittedOutput(coding, layer.eval(), features, torch.arange(2 * len(WORDS)) % len(WORDS))


def _draw_vectors(coding: Any) -> Tensor | None:
    """Draw a vector of each word ``(words, dim)``, of a length that the coding does not refuse."""
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


def _train(subject: Subject, kept: NDArray[Any]) -> FittedOutput:
    """Fit, and train until words are told apart: before, any logits would nearly do."""
    fitted = _fit(subject, kept)
    if not fitted.coding.calibrated:
        raise NotChecked("it says that its logits are not trained as log-probabilities")
    trainable = [parameter for parameter in fitted.layer.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trainable, lr=RATE) if trainable else None
    for _ in range(STEPS if optimizer else 0):
        optimizer.zero_grad()  # type: ignore[union-attr]
        fitted.layer.train().loss(fitted.features, fitted.targets, exact=True).backward()
        optimizer.step()  # type: ignore[union-attr]
    fitted.layer.eval()
    return fitted


def _check_agreement(fitted: FittedOutput, kept: NDArray[Any], says: str) -> None:
    logits = fitted.logits(fitted.outputs()) + torch.from_numpy(np.log(kept)).float()
    targets = fitted.targets.roll(1)  # also of words that are not likely
    losses = nn.functional.cross_entropy(logits, targets, reduction="none")
    for row, loss in enumerate(losses.tolist()):
        with torch.no_grad():
            expected = float(fitted.layer.loss(fitted.features[row : row + 1], targets[row : row + 1], exact=True))
        if not abs(loss - expected) <= ROUNDING * (1 + abs(expected)):
            raise CheckError(f"by the decoder's logits a loss is {loss:.3f}, by the layer {expected:.3f} nats: {says}")


def _compute_loss(fitted: FittedOutput, *, exact: bool) -> Tensor:
    with torch.no_grad():
        loss: Tensor = fitted.layer.loss(fitted.features, fitted.targets, exact=exact)
    return loss


def _flatten(layer: Any) -> Tensor:
    """Return all numbers of the arrays of a layer."""
    return torch.cat(
        [torch.from_numpy(np.asarray(array, dtype=np.float32)).flatten() for array in layer.arrays().values()]
    )


def _dump(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return arrays as a model keeps them."""
    try:
        data: bytes = save(arrays)
    except Exception as error:  # safetensors has errors of its own
        raise CheckError(f"arrays() cannot be saved ({describe(error)}): return numpy arrays by name") from error
    return data
