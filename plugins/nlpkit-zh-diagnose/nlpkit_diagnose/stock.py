"""Will the price be higher two days on? State is carried over the days, and chance is hard to beat."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from nlpkit import DataError, SettingError

from nlpkit_diagnose.summary import group_by_encoder
from nlpkit_diagnose.task import ADAM, Line, Measurement, Panel, Result, Settings, Tables, Task, Trial, format_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nlpkit_diagnose.networks import Restored
    from nlpkit_diagnose.tables import Table

DATE = ("Date", "日期", "交易日期", "交易日", "trade_date")
COLUMNS = (  # the names that a column may have
    ("Open", "开盘", "开盘价", "開盤", "開盤價"),
    ("High", "最高", "最高价", "最高價"),
    ("Low", "最低", "最低价", "最低價"),
    ("Close", "收盘", "收盘价", "收盤", "收盤價"),
    ("Volume", "vol", "成交量", "成交股数", "总手"),
)
CLOSE, VOLUME = 3, 4
BASELINE = "baseline"  # always the answer that is commoner in training
DAY = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})|(\d\d)(\d\d))(?:日?$|[ T]\d)")  # a time may follow
NORMAL = 1.959964  # of a confidence of 95%


@dataclass(frozen=True)
class StockData:
    """Which days are what; they are the latest of the file, in the order of time.

    :param train: days to train on, those between two parts not counted: their answers lie in the next.
    :param span: days of which the gradient is taken together; the state is carried on from span to span.
    :param ahead: how many days on the close is compared.
    :param cost: share of what is bought or sold.
    """

    train: int = 1500
    validation: int = 100
    test: int = 100
    span: int = 32
    ahead: int = 2
    cost: float = 0.001


class Stock(Task):
    """At each day: is the close two days on higher than this day's?

    :param path: a table of daily prices: Date, Open, High, Low, Close, Volume.
    """

    name = "stock"
    about = "will a price be higher two days on?"
    source = "a table"
    figure, higher, tutorial = "accuracy", True, "0.50"
    asks = "a file of daily prices, as the diagnosis read one"
    data = StockData
    tables: ClassVar[Tables] = {
        "training": {
            **ADAM,
            "epochs": 30,
            "batch_size": 1,
            "learning_rate": 1e-3,
            "patience": 10,
        },
    }

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self._path, self._encoding = path, encoding

    def conditions(self, data: StockData) -> Sequence[str]:
        """Return the one that there is."""
        if min(data.train, data.validation, data.test, data.span, data.ahead) < 1 or not 0 <= data.cost < 1:
            raise SettingError(
                "data wants days of at least 1 and a cost in [0, 1), was: {told}", told=format_settings(data)
            )
        wanted = data.train + data.validation + data.test + 2 * data.ahead
        there = max(0, len(self.table.values) - 1 - data.ahead)
        if there < wanted:
            fewer = data.train - wanted + there
            fitting = f"data.train={fewer}" if fewer > 0 else "fewer data.train, data.validation and data.test"
            raise DataError(
                "{path} has {there:,} days with one before and {ahead} behind them, and {wanted:,} "
                "are wanted: give a longer file, or set {fitting}",
                path=self._path,
                there=there,
                ahead=data.ahead,
                wanted=wanted,
                fitting=fitting,
            )
        return [""]

    @cached_property
    def table(self) -> Table:
        """The file, in the order of its dates.

        :raises DataError: if a column is missing, a date is none or comes twice, or a price is not above zero.
        """
        from nlpkit_diagnose.tables import read_table

        found = read_table(self._path, COLUMNS, key=DATE, encoding=self._encoding)
        days = []
        for line, day, row in zip(found.lines, found.keys, found.values, strict=True):
            where = f"{self._path}, line {line}"
            if row[:VOLUME].min() <= 0 or row[VOLUME] < 0:
                raise DataError(
                    "{where} ({day}): expected prices above 0 and no volume below, found {min:g}",
                    where=where,
                    day=day,
                    min=row.min(),
                )
            days.append(_parse_day(day, where))
        order = sorted(range(len(days)), key=days.__getitem__)
        for before, after in itertools.pairwise(order):
            if days[before] == days[after]:
                lines = f"{found.lines[before]} and {found.lines[after]}"
                raise DataError(
                    "{path}: {days} stands on lines {lines}", path=self._path, days=days[after], lines=lines
                )
        return found.in_order(order)

    def trial(self, condition: str, settings: Settings, seed: int) -> Trial:  # noqa: ARG002
        """Compose the network; only the weights at the start depend on the seed."""
        from nlpkit_diagnose.series import Series, SeriesNetwork, outputs_of
        from nlpkit_diagnose.tables import Scaling
        from nlpkit_diagnose.trials import make_series_trial

        data: StockData = settings.data
        close = self.table.values[:, CLOSE]
        days = np.arange(1, len(close) - data.ahead)[-(data.train + data.validation + data.test + 2 * data.ahead) :]
        ups = (close[days + data.ahead] > close[days]).astype(np.int64)
        changes = compute_changes(self.table.values)[days - 1]
        scaling = Scaling.of(changes[: data.train])
        inputs = scaling.apply(changes)
        ends = data.train, data.train + data.ahead + data.validation, len(days)
        leads = 0, data.train + data.ahead, len(days) - data.test
        parts = [Series(inputs[None, :end], ups[None, :end], lead) for end, lead in zip(ends, leads, strict=True)]

        def measure(network: SeriesNetwork) -> Measurement:
            said = outputs_of(network, parts[2])[0].argmax(1).numpy()
            right = ups[leads[2] :]
            prices = close[[*days[leads[2] :], days[-1] + 1]]  # a close for each day, and the one after the last
            worth = simulate_account(said, prices, data.cost)
            usual = int(ups[: data.train].mean() > 0.5)
            figures = {
                self.figure: float((said == right).mean()),
                BASELINE: float((right == usual).mean()),
                "account": worth[-1],
                "holding": float(prices[-1] / prices[0]),
            }
            curves = {"account": worth, "holding": (prices / prices[0]).tolist()}
            dates = [_parse_day(self.table.keys[at], "").toordinal() for at in [*days[leads[2] :], days[-1] + 1]]
            return Measurement(figures, {**curves, "day": dates, "close": prices.tolist(), "up": said.tolist()})

        facts = {"ahead": data.ahead, "cost": data.cost, **asdict(scaling)}
        return make_series_trial(parts[0], parts[1], 2, data.span, settings, measure, facts)

    @classmethod
    def answer(cls, network: Restored, text: str, steps: int | None = None) -> dict[str, Any]:  # noqa: ARG003
        """Say whether the price will be higher some days after the last of a file, and how likely that is."""
        from nlpkit_diagnose.tables import Scaling

        table, facts = cls(Path(text)).table, network.facts
        if len(table.values) < 2:
            raise DataError("{path} has a single day: expected at least 2", path=text)
        shown = Scaling(facts["mean"], facts["spread"]).apply(compute_changes(table.values))
        up = float(network.tell_last(shown)[1])
        return {"higher": up > 0.5, "probability": up, "date": table.keys[-1], "days": facts["ahead"]}

    @classmethod
    def tell_answer(cls, text: str, answer: Mapping[str, Any]) -> str:
        """Say it in words."""
        higher = "higher" if answer["higher"] else "not higher"
        return f"{text} → {higher} {answer['days']} days after {answer['date']}: {answer['probability']:.3f}"

    def panels(self, results: Sequence[Result]) -> Sequence[Panel]:
        """Draw what an account that follows each encoder would be worth, by day."""
        groups = group_by_encoder(results)
        holding = next(iter(groups.values()))[0].curves["holding"]
        days = list(range(len(holding)))
        lines = [Line("holding", days, holding, style="k-")]
        lines += [
            Line(name, days, np.mean([r.curves["account"] for r in found], 0).tolist(), style="-")
            for name, found in groups.items()
        ]
        return [Panel("a simulated account", "test day", "worth", lines)]

    def findings(self, results: Sequence[Result]) -> Sequence[str]:
        """Say whether the test days tell any encoder from chance."""
        return [*self.table.findings, *(_judge(name, found) for name, found in group_by_encoder(results).items())]


def _judge(name: str, results: Sequence[Result]) -> str:
    figures = results[0].figures
    share, days = fmean(result.figures["accuracy"] for result in results), len(results[0].curves["holding"]) - 1
    low, high = compute_interval(share, days)
    usual = figures[BASELINE]
    than = "better than" if low > max(0.5, usual) else "worse than" if high < min(0.5, usual) else "no better than"
    return (
        f"{name}: {share:.3f} on {days} test days, with 95% confidence {low:.3f} to {high:.3f}: {than} chance (0.500; "
        f"{usual:.3f} by always giving the commoner answer of the training days)"
    )


def compute_interval(share: float, count: int) -> tuple[float, float]:
    """Say between which shares the true one lies with a confidence of 95% (Wilson 1927, https://doi.org/10.2307/2276774).

    :param count: independent answers; those of days that overlap are not quite, so the truth is wider.
    """
    square = NORMAL**2 / count
    middle = (share + square / 2) / (1 + square)
    half = NORMAL / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def compute_changes(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms of a day's prices over the last close, and of its volume over the last: ``(days - 1, 5)``."""
    before = np.repeat(prices[:-1, CLOSE : CLOSE + 1], VOLUME, 1)
    volume = np.log1p(prices[:, VOLUME])
    return np.column_stack([np.log(prices[1:, :VOLUME] / before), np.diff(volume)])


def simulate_account(up: NDArray[Any], prices: NDArray[np.float64], cost: float) -> list[float]:
    """Say what one unit of money is worth at each close, the first included.

    At each close but the last all of it is in the share if ``up`` says so, otherwise none; the change costs.
    """
    worth, inside = [1.0], 0
    for wanted, now, then in zip(up, prices, prices[1:], strict=False):
        paid = worth[-1] * (1 - cost if wanted != inside else 1.0)
        inside = int(wanted)
        worth.append(float(paid * (then / now if inside else 1.0)))
    return worth


def _parse_day(text: str, where: str) -> date:
    parts = DAY.match(text)
    try:
        return date(*map(int, filter(None, parts.groups() if parts else ())))
    except (TypeError, ValueError):
        raise DataError(
            "{where}: expected a date such as 2020-05-14, found {text!r}", where=where, text=text[:40]
        ) from None
