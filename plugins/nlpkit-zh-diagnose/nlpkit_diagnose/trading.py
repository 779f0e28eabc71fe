"""What would have been bought and sold by a network's answers on the test days, as a log and a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from nlpkit import DataError, MissingExtra

from nlpkit_diagnose.task import FIGURES, name_trial

START = 1_000_000.0
CURVES = ("day", "close", "up")  # of a test day: its number from 0001-01-01 on, its price, what was foretold
PICTURES = (".svg", ".png")


@dataclass(frozen=True)
class Trade:
    """Shares that were bought or sold at a day's close, and what was there afterwards.

    :param kind: buy or sell.
    """

    day: str
    kind: str
    shares: int
    price: float
    money: float
    stock: int

    def __str__(self) -> str:
        """Return a line of the log."""
        return f"{self.kind} {self.shares}, money {self.money:.2f}, stock {self.stock} ({self.day}, at {self.price:g})"


@dataclass(frozen=True)
class Account:
    """All trades of some days, in their order.

    :param days: in words, as in ``trades``.
    :param final: the money at the last close, at which the shares that are left count as they stand.
    :param held: what `START` would have come to in shares from the first day to the last.
    """

    days: Sequence[str]
    prices: Sequence[float]
    trades: Sequence[Trade]
    final: float
    held: float

    def log(self) -> str:
        """Return the log, a trade a line."""
        return "\n".join([*map(str, self.trades), f"final money {self.final:.2f}"])

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON."""
        trades = [asdict(trade) for trade in self.trades]
        return {"start": START, "trades": trades, "final money": self.final, "holding": self.held}


def follow_answers(
    up: Sequence[float], prices: Sequence[float], days: Sequence[str], cost: float, money: float = START
) -> Account:
    """Buy all that the money is enough for where a rise is foretold, and sell all of it where none is.

    :param up: for each day but the last whether a rise is foretold.
    :param cost: share of what is bought or sold.
    """
    trades, stock, start = [], 0, money
    for wanted, price, day in zip(up, prices, days, strict=False):
        if wanted and not stock and (shares := int(money // (price * (1 + cost)))):
            stock, money = shares, money - shares * price * (1 + cost)
            trades.append(Trade(day, "buy", shares, price, money, stock))
        elif not wanted and stock:
            money, sold, stock = money + stock * price * (1 - cost), stock, 0
            trades.append(Trade(day, "sell", sold, price, money, stock))
    return Account(days, prices, trades, money + stock * prices[-1], start * prices[-1] / prices[0])


def read_account(folder: Path, name: str | None) -> tuple[str, Account]:
    """Follow the answers of one trial of a finished diagnosis of ``stock``, the first unless one is named.

    :raises DataError: if there is none, or it has no such trial.
    """
    found = _read_figures(folder / FIGURES)
    trials = {name_trial(trial["encoder"], trial["condition"], trial["seed"]): trial for trial in found["trials"]}
    if name is not None and name not in trials:
        raise DataError("there is no network {name!r}; there is: {names}", name=name, names=", ".join(trials))
    name = name or next(iter(trials))
    trial = trials[name]
    if missing := [curve for curve in CURVES if curve not in trial["curves"]]:
        raise DataError(
            "{folder} was made by an older version, and lacks {missing}: diagnose again",
            folder=folder,
            missing=", ".join(missing),
        )
    days, prices, up = (trial["curves"][curve] for curve in CURVES)
    cost = found["settings"][trial["encoder"]]["data"]["cost"]
    return name, follow_answers(up, prices, [date.fromordinal(int(day)).isoformat() for day in days], cost)


def _read_figures(path: Path) -> Mapping[str, Any]:
    """Read the figures of a diagnosis of ``stock``."""
    try:
        found = json.loads(path.read_text("utf-8"))
        task = found["task"]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError("{path} cannot be read: {reason}", path=path, reason=reason) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("{path} is damaged ({error}): diagnose again", path=path, error=error) from error
    if task != "stock":
        raise DataError("{path} is of the task {task}: expected one of stock, in which is traded", path=path, task=task)
    return found  # type: ignore[no-any-return]


def draw_account(name: str, account: Account, kind: str) -> bytes:
    """Draw the price by day, with b where was bought and s where was sold.

    :param kind: svg or png.
    :raises MissingExtra: if matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context  # a second to import, once a run
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "train", "drawing the trades") from None
    figure = Figure(figsize=(9, 4), layout="constrained")
    axis = figure.subplots()
    days: Any = [date.fromisoformat(day) for day in account.days]
    axis.plot(days, account.prices, color="C0", linewidth=1)
    for trade in account.trades:
        color = {"buy": "C2", "sell": "C3"}[trade.kind]
        at = (date.fromisoformat(trade.day), trade.price)
        axis.annotate(trade.kind[0], at, color=color, weight="bold", ha="center", va="bottom")
    axis.set(title=f"{name}: final money {account.final:,.0f} of {START:,.0f}", ylabel="close")
    picture = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):  # text stays text, the same each time
        figure.savefig(picture, format=kind, dpi=90, metadata={"Date": None} if kind == "svg" else None)
    return picture.getvalue()
