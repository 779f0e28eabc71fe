"""Compares the gradient that several processes come to with that of one: ``torchrun … -m tests.training.several FILE``.

The first writes for each case the greatest difference of a number, as a share of the greatest number.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nlpkit.tasks.sentiment.objective import Classification, SeveralClassification, Teaching
from nlpkit.tasks.sentiment.pretraining import Pretraining
from nlpkit.tasks.sentiment.settings import ClassifierTraining
from nlpkit.training.batching import Rows
from nlpkit.training.processes import Processes, join
from tests.tasks.cloze.test_objective import SETTINGS as CLOZE
from tests.tasks.cloze.test_objective import objective as cloze
from tests.tasks.generate.test_objective import SETTINGS as STREAMS
from tests.tasks.generate.test_objective import objective as generate
from tests.training.networks import classification, network, rows

SETTINGS = ClassifierTraining(batch_size=8)
WAYS = [{}, {"loss": "mse"}, {"loss": "bce", "label_smoothing": 0.1}, {"class_weights": "balanced"}, {"r_drop": 1.0}]
BATCHES = [np.arange(8), np.arange(8, 15), np.arange(15, 18), np.array([18])]  # evenly cut, unevenly, into too few


def frozen() -> Any:
    """A network of which a part has no gradient at all."""
    made = network("gru")
    made.spare = torch.nn.Linear(2, 2)
    return classification(SETTINGS, made)


def taught() -> Any:
    draw = np.random.default_rng(0)
    weights, soft = draw.random(40).astype(np.float32), draw.dirichlet((1, 1), 40).astype(np.float32)
    teaching = Teaching(weights=weights, probabilities=soft, labelled=30, share=0.5, temperature=2.0)
    return Classification(network(), rows(1), rows(2), SETTINGS, 2, teaching)


def labelled_severally() -> Any:
    found = rows(1)
    several = Rows(found.inputs, found.starts, np.random.default_rng(0).integers(0, 2, (40, 3)))
    settings = replace(SETTINGS, class_weights="balanced")
    return SeveralClassification(network(labels=3), several, several, settings, 3)


def pretraining() -> Any:
    """Rows of one length, so that each process pads them alike."""
    draw = np.random.default_rng(0)
    ids = [draw.integers(1, 8, 5) for _ in range(40)]
    made = Pretraining(network("lstm"), Rows.of(ids, np.zeros(40, np.int64)), 8)
    made._head.dropout.p = 0.0
    return made


def words(output: str) -> Any:
    made = cloze("lstm", {"hidden": 4, "bidirectional": False}, settings=replace(CLOZE, blanked=0.0), output=output)
    made._exact = True
    return made


def streams() -> tuple[Any, list[Any]]:
    """Three streams, of which a state is carried, between two processes."""
    made = generate(replace(STREAMS, streams=3), encoder="lstm")
    return made, list(made.batches(1, np.random.default_rng(0)))[:4]


CASES: dict[str, Callable[[], tuple[Any, list[Any]]]] = {
    **{str(way): lambda way=way: (classification(replace(SETTINGS, **way), network("lstm")), BATCHES) for way in WAYS},
    "frozen": lambda: (frozen(), BATCHES),
    "taught": lambda: (taught(), BATCHES),
    "several labels": lambda: (labelled_severally(), BATCHES),
    "language model": lambda: (pretraining(), BATCHES),
    "cloze": lambda: (words("softmax"), BATCHES),
    "cloze codes": lambda: (words("binary-codes"), BATCHES),
    "generate": streams,
}


def run(case: str, mates: Processes | None) -> list[list[Any]]:
    """The loss of each step and its gradients, in one process or several."""
    torch.manual_seed(0)
    objective, batches = CASES[case]()
    objective.module.double()  # or rounding would hide what is wrong
    parameters, found = list(objective.module.parameters()), []
    for step, batch in enumerate(batches):
        for parameter in parameters:
            parameter.grad = None
        if mates:
            mates.begin_step(0, 1, step, len(batch))
        torch.manual_seed(step)  # the same wrong answers
        loss, right = objective.loss(mates.part(batch) if mates else batch)
        loss.backward()
        if mates:
            loss, right = mates.combine(parameters, loss, right)
        assert right is None or 0 <= int(right) <= len(batch)
        gradients = [None if p.grad is None else p.grad.clone() for p in parameters]
        found.append([loss.detach(), None if right is None else torch.as_tensor(float(right)), *gradients])
    return found


def compare(one: list[list[Any]], other: list[list[Any]]) -> float:
    worst = 0.0
    for a, b in zip((t for step in one for t in step), (t for step in other for t in step), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            worst = max(worst, float((a - b).abs().max() / a.abs().max().clamp(min=1e-3)))
    return worst


def main() -> None:
    torch.set_num_threads(1)
    with join() as mates:
        assert mates.several
        found = {case: compare(run(case, None), run(case, mates)) for case in CASES}
        if mates.leads:
            Path(sys.argv[1]).write_text(json.dumps(found))
        mates.tell(None)


if __name__ == "__main__":
    main()
