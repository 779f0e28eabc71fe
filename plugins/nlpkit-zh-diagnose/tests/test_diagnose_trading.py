"""The log of buys and sells, what it comes to, and its picture."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nlpkit import DataError
from tiny_diagnoses import quick

from nlpkit_diagnose.stock import simulate_account
from nlpkit_diagnose.tables import parse_number, read_table
from nlpkit_diagnose.trading import START, draw_account, follow_answers

pytestmark = pytest.mark.train
DAYS = [f"2020-01-{day:02}" for day in range(1, 32)]


def test_all_is_bought_before_a_rise_and_all_sold_before_none():
    account = follow_answers([1, 1, 0, 0, 1], [3.0, 4.0, 5.0, 2.0, 4.0, 6.0], DAYS, 0.0, money=10.0)
    told = [(trade.day[-1], trade.kind, trade.shares, trade.money, trade.stock) for trade in account.trades]
    assert told == [("1", "buy", 3, 1.0, 3), ("3", "sell", 3, 16.0, 0), ("5", "buy", 4, 0.0, 4)]
    assert (account.final, account.held) == (24.0, 20.0)
    assert account.log().splitlines()[0] == "buy 3, money 1.00, stock 3 (2020-01-01, at 3)"
    assert account.log().splitlines()[-1] == "final money 24.00"


def test_what_is_too_dear_is_not_bought():
    assert follow_answers([1, 1], [30.0, 40.0, 50.0], DAYS, 0.0, money=10.0).trades == []


PRICES = st.lists(st.floats(1, 50), min_size=2, max_size=30)


@given(PRICES, st.data(), st.sampled_from([0.0, 0.001, 0.05]))
def test_the_log_comes_to_what_the_figure_says(prices, data, cost):
    """But for the money that is too little for one more share, and costs of costs."""
    up = data.draw(st.lists(st.integers(0, 1), min_size=len(prices) - 1, max_size=len(prices) - 1))
    account = follow_answers(up, prices, DAYS, cost)
    worths = [1.0, *simulate_account(up, prices, cost)]
    trades, growth = len(account.trades) + 1, max(worths) / min(worths)  # that of money which bought nothing
    bounds = {"rel": trades * cost**2 + 1e-9, "abs": trades * max(prices) / START * growth}
    assert account.final / START == pytest.approx(worths[-1], **bounds)
    stock = 0
    for trade in account.trades:
        assert trade.money >= 0
        stock += trade.shares if trade.kind == "buy" else -trade.shares
        assert trade.stock == stock


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_picture_has_a_mark_for_each_trade(kind):
    pytest.importorskip("matplotlib")
    account = follow_answers([1, 0, 1, 0, 1], [3.0, 4.0, 5.0, 2.0, 4.0, 6.0], DAYS[:6], 0.0)
    picture = draw_account("gru-0", account, kind)
    assert picture == draw_account("gru-0", account, kind)
    if kind == "png":
        assert picture.startswith(b"\x89PNG")
        return
    letters = re.findall(r">([bs])</text>", picture.decode())
    assert letters == [trade.kind[0] for trade in account.trades] == list("bsbsb")


@pytest.fixture
def folder(shell, prices, tmp_path):
    pytest.importorskip("torch")
    small = [word for assignment in quick("stock") for word in ("--set", assignment)]
    assert shell("stock", prices, *small, "--seeds", 2, "-o", tmp_path / "stock").returncode == 0
    return tmp_path / "stock"


def test_the_log_of_a_diagnosis_is_text_or_json(shell, folder):
    found = json.loads(shell("trades", folder, "-f", "json", "--network", "gru-1").stdout)
    told = shell("trades", folder, "--network", "gru-1").stdout.splitlines()
    assert (found["network"], found["start"]) == ("gru-1", 1_000_000)
    assert len(told) == len(found["trades"]) + 1
    assert told[-1] == f"final money {found['final money']:.2f}"
    (trial,) = (t for t in json.loads((folder / "diagnosis.json").read_text())["trials"] if t["seed"] == 1)
    assert found["final money"] / 1e6 == pytest.approx(trial["figures"]["account"], rel=1e-3)
    assert found["holding"] / 1e6 == pytest.approx(trial["figures"]["holding"])


def test_a_picture_is_drawn_and_replaced_on_request_only(shell, folder, tmp_path):
    path = tmp_path / "trades.svg"
    assert shell("trades", folder, "-o", path).returncode == 0
    assert path.read_bytes().startswith(b"<?xml")
    told = shell("trades", folder, "-o", path)
    assert (told.returncode, told.stdout) == (1, "")
    assert f"{path} exists" in told.stderr
    assert shell("trades", folder, "-o", path, "--force").returncode == 0
    assert shell("trades", folder, "-o", tmp_path / "trades.pdf").returncode == 2


def test_what_is_no_diagnosis_of_stock_is_one_sentence(shell, folder, tmp_path):
    assert "cannot be read: no such file" in shell("trades", tmp_path).stderr
    found = json.loads((folder / "diagnosis.json").read_text())
    for change, sentence in (
        ({"task": "ball"}, "is of the task ball: expected one of stock"),
        ({"trials": [{**trial, "curves": {}} for trial in found["trials"]]}, "lacks day, close, up: diagnose again"),
    ):
        (folder / "diagnosis.json").write_text(json.dumps({**found, **change}))
        assert sentence in shell("trades", folder).stderr
    (folder / "diagnosis.json").write_text("[]")
    assert "is damaged" in shell("trades", folder).stderr


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.2亿", 1.2e8), ("35万股", 350_000), ("1,234.5万", 12_345_000), ("3手", 3), ("-2 万", -20_000), ("1万亿", 1e12)],
)
def test_a_number_may_have_a_unit(cell, value):
    assert parse_number(cell, "here") == pytest.approx(value)


@pytest.mark.parametrize("cell", ["万", "1万2", "1.2亿万", "1块", "万1", "1e9亿"])
def test_what_is_no_unit_is_refused(cell):
    with pytest.raises(DataError, match=r"^here: expected a number"):
        parse_number(cell, "here")


@pytest.mark.parametrize("header", ["成交量(万)", "成交量（万股）", "成交量 (万手)", "成交量[单位：万]"])
def test_a_unit_in_the_header_multiplies_the_column(write, header):
    found = read_table(write(f'收盘,{header}\n3,5\n4,"1,000.5"\n'), (("收盘",), ("成交量",)))
    assert found.values.tolist() == [[3, 50_000], [4, 10_005_000]]


def test_a_table_of_years_is_refused_in_one_sentence(write):
    with pytest.raises(DataError, match=r"has no column '收盘'.*2019, 2020; its columns are years: expected a row"):
        read_table(write("月份,2019,2020\n一月,1,2\n"), (("收盘",),))
