"""What the epochs of a loop tell of it, in sentences: it ended too soon, or it overfits."""

from __future__ import annotations

from collections.abc import Sequence

from nlpkit.errors import Sentence
from nlpkit.training.loop import Epoch
from nlpkit.training.settings import LoopSettings

GAIN = 0.02  # share of the first validation loss by which the second half of a loop lowers it, if it ended too soon
LEARNT = 0.5  # share of the validation loss: below it the training rows have little more to teach
GAP = 0.25  # the same, below which they are known by heart
RISE = 1.1  # times the least validation loss, which a risen one is


def find_unfinished(name: str, epochs: Sequence[Epoch], settings: LoopSettings) -> list[Sentence]:
    """Say, in one sentence or none, that a loop was still getting better when its epochs were over, and what to raise.

    :param name: of the member.
    """
    losses = [epoch.validation_loss for epoch in epochs if epoch.validation_loss is not None]
    if len(losses) < 2 or epochs[-1].train_loss < LEARNT * losses[-1]:
        return []
    half, least = min(losses[: (len(losses) + 1) // 2]), min(losses)
    stopped = epochs[-1].train_loss < settings.stop_loss
    stopped = stopped or not any(epoch.best for epoch in epochs[-settings.patience :])
    if stopped or half - least < GAIN * losses[0]:
        return []
    last = epochs[-1].epoch
    longer = f"epochs={2 * last}" if last <= settings.epochs else f"min_steps={2 * settings.min_steps}"
    sentence = Sentence(
        "{name} was still getting better when its {last:,} epochs were over: after half of them the loss on the "
        "validation rows was {half:.3f}, in the end {least:.3f}; --set {name}.training.{longer} lets it go on",
        name=name,
        last=last,
        half=half,
        least=least,
        longer=longer,
    )
    return [sentence]


def find_overfitting(name: str, epochs: Sequence[Epoch]) -> list[Sentence]:
    """Say, in one sentence or none, that a loop overfits: it knows its training rows by heart, or does worse on others.

    :param name: of the member.
    """
    judged = [(epoch, epoch.validation_loss) for epoch in epochs if epoch.validation_loss is not None]
    if not judged:
        return []
    (best, least), (last, loss) = min(judged, key=lambda pair: pair[1]), judged[-1]
    rises = loss > RISE * least and last.train_loss < best.train_loss
    if not rises and last.train_loss >= GAP * loss:
        return []
    was = Sentence(", where it was {least:.3f} at epoch {best:,}", least=least, best=best.epoch) if rises else ""
    sentence = Sentence(
        "{name} overfits: at epoch {last:,} the loss is {train:.3f} on the training rows and {loss:.3f} on the "
        "validation rows{was}; more rows would help, or more dropout",
        name=name,
        last=last.epoch,
        train=last.train_loss,
        loss=loss,
        was=was,
    )
    return [sentence]
