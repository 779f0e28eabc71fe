"""Days of prices: what is asked of each, that nothing later is known earlier, the account, what is said of chance."""

import math
import re
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from nlpkit import DataError, SettingError  # noqa: E402
from tiny_diagnoses import DAYS, answer, listening, losses, price_rows, price_table, quick, trial_of  # noqa: E402

from nlpkit_diagnose.diagnosis import Ended, diagnose  # noqa: E402
from nlpkit_diagnose.settings import settings_of  # noqa: E402
from nlpkit_diagnose.stock import Stock, StockData, compute_interval, simulate_account  # noqa: E402
from nlpkit_diagnose.task import Result  # noqa: E402

pytestmark = pytest.mark.train
HEADER, *LINES = price_table().splitlines()
CHINESE = "日期,开盘,最高,最低,收盘,成交量"


@dataclass(frozen=True)
class Days:
    """Which days of the table a part has, by one's own reckoning."""

    train: range
    validation: range
    test: range


def days_of(ahead):
    """12, 5 and 5 days, the latest, so many between the parts; behind the last one as many as its answer needs."""
    last = DAYS - ahead
    test = range(last - 5, last)
    validation = range(test.start - ahead - 5, test.start - ahead)
    return Days(range(validation.start - ahead - 12, validation.start - ahead), validation, test)


def ups(days, ahead, rows=None):
    """Whether the close is higher so many days on."""
    closes = [row[3] for row in rows or price_rows()]
    return [int(closes[day + ahead] > closes[day]) for day in days]


def stock(write, rows=None, header=HEADER):
    return Stock(write(price_table(rows, header)))


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_each_day_is_asked_whether_the_close_is_higher_later(write, ahead):
    trial = trial_of(stock(write), f"data.ahead={ahead}", "data.span=1")
    answer(trial, 0.0, 3.0)  # sure that it will be: its loss tells whether it is right
    assert [int(loss < 1) for loss in losses(trial)] == ups(days_of(ahead).train, ahead)
    assert trial.objective.validate().accuracy == np.mean(ups(days_of(ahead).validation, ahead))
    assert trial.measure().figures["accuracy"] == np.mean(ups(days_of(ahead).test, ahead))


@pytest.mark.parametrize("ahead", [1, 2])
def test_each_day_shows_changes_since_the_last_scaled_by_the_days_to_train_on(write, ahead):
    trial, rows = trial_of(stock(write), f"data.ahead={ahead}"), price_rows()
    days = days_of(ahead)

    def compute_changes(day):
        before = rows[day - 1][3]
        volumes = [math.log(1 + rows[at][4]) for at in (day, day - 1)]
        return [*(math.log(price / before) for price in rows[day][:4]), volumes[0] - volumes[1]]

    raw = np.array([compute_changes(day) for day in range(days.train.start, days.test.stop)])
    scaled = (raw - raw[:12].mean(0)) / raw[:12].std(0)
    parts = []
    for act in (lambda: losses(trial), trial.objective.validate, trial.measure):
        with listening(trial) as heard:
            act()
        parts.append(np.concatenate(heard))
    for part, end in zip(parts, (12, 12 + ahead + 5, len(scaled)), strict=True):
        np.testing.assert_allclose(part, scaled[:end], atol=1e-4)


def history(task, *assignments):
    """The epochs of a trial, its result last."""
    made = settings_of(task, ["gru"], quick("stock", "training.epochs=2", *assignments), {})
    ended = [event for event in diagnose(task, made, [0]) if isinstance(event, Ended)]
    return ended[0].history, ended[0].result


def moved(rows, days, factor=3):
    """The same prices but for some days, on which all is otherwise."""
    found = [list(row) for row in rows]
    for day in days:
        found[day] = [*(factor * price for price in found[day][:4]), 9 * found[day][4]]
    return found


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_nothing_later_is_known_earlier(write, ahead):
    days, rows, set_ahead = days_of(ahead), price_rows(), f"data.ahead={ahead}"
    first, _ = history(stock(write), set_ahead)
    train, judged = [e.train_loss for e in first], [e.validation_loss for e in first]
    from_validation_on, _ = history(stock(write, moved(rows, range(days.validation.start, DAYS))), set_ahead)
    assert [e.train_loss for e in from_validation_on] == train
    assert [e.validation_loss for e in from_validation_on] != judged
    from_test_on, _ = history(stock(write, moved(rows, range(days.test.start, DAYS))), set_ahead)
    assert [e.train_loss for e in from_test_on] == train
    assert [e.validation_loss for e in from_test_on] == judged
    gap = range(days.train.stop, days.validation.start)  # where the answers of the last days to train on lie
    low, high = (history(stock(write, moved(rows, gap, factor)), set_ahead)[0] for factor in (0.2, 3))
    assert [e.train_loss for e in low] != [e.train_loss for e in high]


def test_days_before_the_first_do_not_matter(write):
    before = days_of(2).train.start - 1  # from which the first day has its changes
    first, result = history(stock(write))
    other, same = history(stock(write, moved(price_rows(), range(before))))
    assert [(e.train_loss, e.validation_loss) for e in first] == [(e.train_loss, e.validation_loss) for e in other]
    assert (result.figures, result.curves) == (same.figures, same.curves)


def test_figures_beside_the_accuracy_are_those_of_the_days_that_are_measured(write):
    rows, days = price_rows(), days_of(2)
    trial = trial_of(stock(write), "data.cost=0.01")
    closes = [rows[day][3] for day in (*days.test, days.test.stop)]
    usual = int(sum(ups(days.train, 2)) > 6)
    answer(trial, 0.0, 1.0)
    found = trial.measure()
    assert set(found.figures) == {"accuracy", "baseline", "account", "holding"}
    assert found.figures["holding"] == pytest.approx(closes[-1] / closes[0])
    assert found.figures["account"] == pytest.approx(0.99 * closes[-1] / closes[0])
    assert found.figures["baseline"] == np.mean([up == usual for up in ups(days.test, 2)])
    assert found.curves["holding"] == pytest.approx([close / closes[0] for close in closes])
    assert found.curves["account"] == pytest.approx([1, *(0.99 * close / closes[0] for close in closes[1:])])
    answer(trial, 1.0, 0.0)
    assert trial.measure().curves["account"] == [1.0] * 6


@pytest.mark.parametrize(
    ("up", "prices", "cost", "worth"),
    [
        ([1, 1, 0], [100, 110, 99, 198], 0.1, [1, 0.99, 0.891, 0.8019]),
        ([1, 1, 0], [100, 110, 99, 198], 0.0, [1, 1.1, 0.99, 0.99]),
        ([0, 1, 0], [100, 50, 75, 60], 0.2, [1, 1, 1.2, 0.96]),
        ([0, 0], [100, 50, 75], 0.5, [1, 1, 1]),
        ([1, 0, 1], [10, 20, 5, 10], 0.5, [1, 1, 0.5, 0.5]),
    ],
)
def test_an_account_is_in_the_share_while_it_shall_rise_and_each_change_costs(up, prices, cost, worth):
    assert simulate_account(np.array(up), np.array(prices, float), cost) == pytest.approx(worth)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(right, count, low, high):
    """The four cases of Newcombe 1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C857::AID-SIM777%3E3.0.CO;2-E."""
    assert compute_interval(right / count, count) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    from_other_side = compute_interval(1 - right / count, count)
    assert from_other_side == (pytest.approx(1 - high, abs=5e-5), pytest.approx(1 - low, abs=5e-5))


@given(st.floats(0, 1), st.integers(1, 10_000))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_interval_holds_the_share(share, count):
    low, high = compute_interval(share, count)
    assert -1e-12 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1 + 1e-12


@pytest.mark.parametrize("count", [2, 6, 20, 100])
def test_the_interval_of_none_and_of_all_is_written_without_a_sign(count):
    assert f"{compute_interval(0, count)[0]:.3f}" == "0.000"
    assert f"{compute_interval(1, count)[1]:.3f}" == "1.000"
    assert 0 < compute_interval(0, count)[1] < 1
    assert 0 < compute_interval(1, count)[0] < 1


def result(share, usual, days, name="gru", seed=0):
    curves = {"holding": [1.0] * (days + 1)}
    return Result(name, "", seed, {"accuracy": share, "baseline": usual}, curves, 1, 1, 1, 0.0, False, {})


@pytest.mark.parametrize(
    ("shares", "usual", "days", "sentence"),
    [
        ([0.5], 0.5, 100, "gru: 0.500 on 100 test days, with 95% confidence 0.404 to 0.596: no better than chance"),
        ([0.9], 0.5, 100, "confidence 0.826 to 0.945: better than chance (0.500; 0.500 by always"),
        ([0.1], 0.5, 100, "confidence 0.055 to 0.174: worse than chance"),
        ([0.59], 0.5, 100, "no better than chance"),
        ([0.61], 0.5, 100, "better than chance"),
        ([0.61], 0.5, 50, "no better than chance"),
        ([0.7], 0.62, 100, "no better than chance (0.500; 0.620 by always giving the commoner answer"),
        ([0.7], 0.55, 100, ": better than chance"),
        ([0.3], 0.3, 100, "no better than chance"),
        ([0.0], 0.5, 100, "confidence 0.000 to 0.037: worse than chance"),
        ([1.0], 0.5, 100, "confidence 0.963 to 1.000: better than chance"),
        ([0.4, 0.6], 0.5, 100, "gru: 0.500 on 100 test days, with 95% confidence 0.404 to 0.596: no better"),
    ],
)
def test_chance_is_told_from_skill(prices, shares, usual, days, sentence):
    (found,) = Stock(prices).findings([result(share, usual, days, seed=at) for at, share in enumerate(shares)])
    assert sentence in found
    assert ("no better than" in found) == ("no better" in sentence)


def test_each_encoder_gets_its_sentence_behind_what_is_said_of_the_table(write):
    lines = [HEADER, *LINES, "2019-12-31,null,null,null,null,null"]
    found = Stock(write("\n".join(lines))).findings([result(0.5, 0.5, 9), result(1.0, 0.5, 9, name="rnn")])
    assert found[0] == f"1 of {DAYS + 1} rows were left out: a number is missing there"
    assert [sentence.split(":")[0] for sentence in found[1:]] == ["gru", "rnn"]


def measured(path):
    return trial_of(Stock(path)).objective.validate()


def test_days_out_of_order_are_put_in_order(write, prices):
    torch.manual_seed(0)
    expected = measured(prices)
    torch.manual_seed(0)
    assert measured(write("\n".join([HEADER, *LINES[::-1]]))) == expected
    table = Stock(write("\n".join([HEADER, *LINES[20:], *LINES[:20]]))).table
    assert list(table.keys) == [line.split(",")[0] for line in LINES]
    assert table.values.tolist() == price_rows()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_headers_may_be_chinese_and_columns_in_any_order(write, encoding):
    names = ["涨跌", *CHINESE.split(",")[::-1]]
    lines = [",".join(["?", *line.split(",")[::-1]]) for line in LINES]
    found = Stock(write("\n".join([",".join(names), *lines]).encode(encoding)), encoding).table
    assert found.values.tolist() == price_rows()
    assert list(found.columns) == CHINESE.split(",")[1:]


@pytest.mark.parametrize(
    "date", ["2020-1-5", "2020/01/05", "2020/1/5", "2020.1.5", "2020年1月5日", "2020-01-05 15:00:00"]
)
def test_a_date_may_be_written_in_several_ways(write, date):
    table = Stock(write("\n".join([HEADER, *LINES[1:], f"{date},{','.join(LINES[0].split(',')[1:])}"]))).table
    assert table.keys[0] == date


@pytest.mark.parametrize(
    "date", ["", "today", "14/05/2020", "2020-13-01", "2020-02-30", "2020-05", "1-2-3-4", "0000-0-0", "2020-5-123"]
)
def test_what_is_no_date_is_named_with_its_line(write, date):
    path = write("\n".join([HEADER, *LINES[:2], f"{date},1,1,1,1,1"]))
    expected = f"{path}, line 4: expected a date such as 2020-05-14, found {date!r}"
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        _ = Stock(path).table


def test_a_day_that_comes_twice_is_refused_however_it_is_written(write):
    path = write("\n".join([HEADER, *LINES, LINES[3].replace("-", "/")]))
    with pytest.raises(DataError, match=re.escape(f"{path}: 2020-02-02 stands on lines 5 and {DAYS + 2}")):
        _ = Stock(path).table


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("value", ["0", "-1.5"])
def test_prices_are_above_zero_and_volumes_not_below(write, at, value):
    cells = LINES[6].split(",")
    cells[at] = value
    path = write("\n".join([HEADER, *LINES[:6], ",".join(cells), *LINES[7:]]))
    if (at, value) == (5, "0"):  # nobody traded
        assert Stock(path).table.values[6, 4] == 0
        return
    with pytest.raises(DataError, match="expected prices above 0 and no volume below") as caught:
        _ = Stock(path).table
    assert str(caught.value).startswith(f"{path}, line 8 ({cells[0]}): ")
    assert str(caught.value).endswith(f"found {float(value):g}")


def test_a_day_that_lacks_a_number_is_left_out_and_told(write):
    blank = [f"{LINES[at].split(',')[0]},null,null,null,null,null" for at in (3, 8)]
    task = Stock(write("\n".join([HEADER, *LINES[:3], blank[0], *LINES[4:8], blank[1], *LINES[9:]])))
    assert len(task.table.values) == DAYS - 2
    assert task.table.findings == [f"2 of {DAYS} rows were left out: a number is missing there"]
    assert task.findings([result(0.5, 0.5, 9)])[0] == task.table.findings[0]


@pytest.mark.parametrize(("at", "name"), list(enumerate(HEADER.split(","))))
def test_a_column_that_is_missing_is_named_with_those_there_are(write, at, name):
    names = HEADER.split(",")
    names[at] = "Nothing"
    path = write("\n".join([",".join(names), *LINES]))
    with pytest.raises(DataError, match=f"has no column '{name}'") as caught:
        _ = Stock(path).table
    assert str(caught.value).startswith(f"{path} has no column")
    assert f"here is: {', '.join(names)}" in str(caught.value)


def test_a_number_that_is_none_is_named_with_its_column(write):
    path = write("\n".join([HEADER, LINES[0].replace(",", ",x", 1)]))
    with pytest.raises(
        DataError, match=re.escape(f"{path}, line 2, Open: expected a number such as -1234.5, found 'x")
    ):
        _ = Stock(path).table


def test_too_few_days_are_told_with_what_to_set(write):
    task = stock(write)
    with pytest.raises(DataError, match="has 37 days with one before and 2 behind them, and 38 are wanted") as caught:
        task.conditions(StockData(train=24, validation=5, test=5))
    assert str(caught.value).endswith("give a longer file, or set data.train=23")
    assert task.conditions(StockData(train=23, validation=5, test=5)) == [""]
    assert len(trial_of(task, "data.train=23").measure().curves["holding"]) == 6


def test_where_no_number_of_days_to_train_on_would_do_none_is_proposed(write):
    with pytest.raises(
        DataError, match="has 37 days with one before and 2 behind them, and 1,704 are wanted"
    ) as caught:
        stock(write).conditions(StockData())
    assert str(caught.value).endswith("set fewer data.train, data.validation and data.test")


@pytest.mark.parametrize(
    "data", [{"train": 0}, {"validation": 0}, {"test": -1}, {"span": 0}, {"ahead": 0}, {"cost": -0.1}, {"cost": 1.0}]
)
def test_settings_that_make_no_days_are_refused(prices, data):
    with pytest.raises(SettingError, match=r"data wants days of at least 1 and a cost in \[0, 1\), was: "):
        Stock(prices).conditions(StockData(**data))
