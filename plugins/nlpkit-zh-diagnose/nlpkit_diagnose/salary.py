"""A number from the numbers beside it, without an encoder: the test of the head and of the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from nlpkit import DataError

from nlpkit_diagnose.dealing import check_shares, deal
from nlpkit_diagnose.relative_error import FIGURE, measure_relative_errors
from nlpkit_diagnose.summary import group_by_encoder
from nlpkit_diagnose.task import ADAM, Line, Measurement, Panel, Result, Settings, Tables, Task, Trial

if TYPE_CHECKING:
    from nlpkit_diagnose.networks import Restored
    from nlpkit_diagnose.tables import Table

TARGETS = ("工资", "薪资", "月薪", "salary")
SHOWN = 300  # test rows in the plot


@dataclass(frozen=True)
class SalaryData:
    """How the rows are dealt out.

    :param validation: share of the distinct rows by which an epoch is chosen.
    :param test: share of the distinct rows that is measured.
    """

    validation: float = 0.2
    test: float = 0.2


class Salary(Task):
    """One column from all others.

    :param path: a table of numbers, with a header.
    :param target: the column that is predicted; None: the one with a usual name.
    """

    name = "salary"
    about = "what is earned, without an encoder?"
    source = "a table"
    figure, higher, tutorial = FIGURE, True, "0.944"
    asks = "a number for each column but the target, with commas between"
    data = SalaryData
    tables: ClassVar[Tables] = {
        "head": {"pooling": "last", "hidden": 256, "norm": "batch"},
        "training": {
            **ADAM,
            "epochs": 100,
            "batch_size": 512,
            "learning_rate": 2e-2,
            "schedule": "cosine",
            "patience": 100,
        },
    }

    def __init__(self, path: Path, target: str | None = None, encoding: str | None = None) -> None:
        self._path, self._target, self._encoding = path, target, encoding

    def conditions(self, data: SalaryData) -> Sequence[str]:
        """Return the one that there is."""
        check_shares(data.validation, data.test)
        return [""]

    @property
    def _wanted(self) -> tuple[Sequence[str], str]:
        """The names that the target may have, and what to do if no column has one."""
        return (TARGETS, "; or say which by --target") if self._target is None else ([self._target], "")

    @cached_property
    def table(self) -> Table:
        """The file, the target last.

        :raises DataError: if it lacks the target, or has too few rows or columns.
        """
        from nlpkit_diagnose.tables import find_column, read_table

        found = read_table(self._path, None, encoding=self._encoding)
        at = find_column(found.path, found.columns, *self._wanted)
        if len(found.columns) < 2 or len(found.values) < 10:
            raise DataError(
                "{path} has {count} rows and {columns} columns of numbers: at least 10 and 2 are wanted",
                path=self._path,
                count=len(found.values),
                columns=len(found.columns),
            )
        if np.ptp(found.values[:, at]) == 0:
            raise DataError(
                "{path}: {columns} is {values_:g} in every row: nothing is to be learnt",
                path=self._path,
                columns=found.columns[at],
                values_=found.values[0, at],
            )
        return found.with_last(at)

    def trial(self, condition: str, settings: Settings, seed: int) -> Trial:  # noqa: ARG002
        """Deal the rows out by the seed; scale features and target by the training rows."""
        from nlpkit.training import Rows

        from nlpkit_diagnose.tables import Scaling
        from nlpkit_diagnose.trials import Predict, make_number_trial

        data: SalaryData = settings.data
        values = self.table.values
        chosen = deal(list(values), data.validation, data.test, np.random.default_rng(seed))
        scaling = Scaling.of(values[chosen["train"], :-1])
        inputs = scaling.apply(values[:, :-1])
        unit = float(np.abs(values[chosen["train"], -1]).mean()) or 1.0
        targets = (values[:, -1:] / unit).astype(np.float32)
        parts = {place: Rows.of(list(inputs[at, None]), targets[at]) for place, at in chosen.items()}

        def measure(predict: Predict) -> Measurement:
            found = predict(parts["test"])
            right = parts["test"].targets
            shown = {
                name: (of[:SHOWN, 0] * np.float64(unit)).tolist() for name, of in (("right", right), ("found", found))
            }
            return Measurement(measure_relative_errors(found, right), shown)

        facts = {"columns": list(self.table.columns), "unit": unit, **asdict(scaling)}
        return make_number_trial(parts, settings, measure, facts)

    @classmethod
    def answer(cls, network: Restored, text: str, steps: int | None = None) -> dict[str, Any]:  # noqa: ARG003
        """Return the target of a row of features."""
        from nlpkit_diagnose.tables import Scaling, read_numbers

        facts = network.facts
        *columns, target = facts["columns"]
        asks = f"{len(columns)} numbers with commas between: {','.join(columns)}"
        features = read_numbers(text, asks)
        if len(features) != len(columns):
            raise DataError("expected {asks}, found {count}", asks=asks, count=len(features))
        shown = Scaling(facts["mean"], facts["spread"]).apply(np.array([features]))
        return {target: float(network.tell_numbers(shown)[0]) * facts["unit"]}

    @classmethod
    def tell_answer(cls, text: str, answer: Mapping[str, Any]) -> str:
        """Say the target by its name."""
        ((target, value),) = answer.items()
        return f"{text} → {target} {value:.2f}"

    def panels(self, results: Sequence[Result]) -> Sequence[Panel]:
        """Draw some test rows: what was predicted by what is right."""
        groups = group_by_encoder(results)
        right = next(iter(groups.values()))[0].curves["right"]
        ends = [min(right), max(right)]
        lines = [Line("right", ends, ends, style="k-")]
        lines += [
            Line(encoder, found[0].curves["right"], found[0].curves["found"], style=".")
            for encoder, found in groups.items()
        ]
        return [Panel(f"{len(right)} test rows", "right", "predicted", lines)]

    def findings(self, results: Sequence[Result]) -> Sequence[str]:  # noqa: ARG002
        """Say how many rows were left out."""
        return self.table.findings
