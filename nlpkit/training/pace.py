"""How long a loop lasts, and how often it is judged: of few rows an epoch has few steps, and teaches little."""

from __future__ import annotations

from dataclasses import dataclass

from nlpkit.training.settings import LoopSettings

JUDGED = 30  # times that a loop which is made longer is judged, or as often as it has epochs by its settings


@dataclass(frozen=True)
class Pace:
    """The epochs of a loop.

    :param epochs: at most, a multiple of ``every``.
    :param every: epochs after which the validation rows judge it.
    :param patience: judgements without a better one before it stops.
    """

    epochs: int
    every: int
    patience: int

    @classmethod
    def of(cls, settings: LoopSettings, steps: int) -> Pace:
        """Make a loop long enough for ``min_steps``.

        It is judged some thirty times however many epochs that takes, and its patience is the same share of it.

        :param steps: of an epoch.
        """
        needed = -(-settings.min_steps // max(1, steps))
        if needed <= settings.epochs:
            return cls(settings.epochs, 1, settings.patience)
        every = max(1, needed // max(settings.epochs, JUDGED))
        judgements = -(-needed // every)
        return cls(judgements * every, every, -(-settings.patience * judgements // settings.epochs))
