"""Tables on narrow terminals."""

import io
import json
import re
from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement

from nlpkit.commands.printing import make_table
from nlpkit.commands.summary import Summary
from nlpkit.commands.tables import PROSE, share_width
from nlpkit.text.row import Row
from nlpkit.text.rows import Source
from tests.outcomes import on_a_terminal

Answer = namedtuple("Answer", "label reason")
NAMES = ["ChnSentiCorp_htl_all", "online_shopping_10_cats", "电饭煲与电磁炉"]


def draw(table, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    lines = console.file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    return "\n".join(lines)


def table_of_names():
    table = make_table("name", "what", ">rows", "labels", "where")
    for name in NAMES:
        table.add_row(name, "Reviews of ten kinds of goods and services", "62,774", "positive, negative", "not fetched")
    return table


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 36])
def test_no_word_is_broken(width):
    words = [*NAMES, "services", "62,774", "positive,", "negative", "fetched", "labels"]
    drawn = draw(table_of_names(), width)
    assert not [word for word in words if word not in drawn]


def test_where_all_has_room_nothing_is_folded():
    assert "Reviews of ten kinds of goods and services   62,774   positive, negative   not fetched" in draw(
        table_of_names(), 200
    )


def test_where_columns_have_no_room_beside_each_other_they_stand_below_each_other():
    drawn = draw(table_of_names(), 40)
    assert re.search(r"^name +ChnSentiCorp_htl_all *\nwhat +Reviews", drawn)


def test_a_text_without_blanks_is_folded_for_the_names_beside_it():
    table = make_table("name", "text")
    table.add_row(NAMES[1], "这家店的东西质量很好下次还来" * 8)
    assert NAMES[1] in draw(table, 80)
    assert draw(table, 80).count("\n") < 10


def test_a_table_drawn_twice_fits_twice():
    table = table_of_names()
    narrow = draw(table, 80)
    assert draw(table, 200) != narrow == draw(table, 80)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), max_size=8), st.integers(0, 200))
def test_widths_fit_and_none_is_less_than_its_longest_word(pairs, room):
    sizes = [Measurement(low, low + more) for low, more in pairs]
    widths = share_width(sizes, room)
    least = [min(size.minimum, PROSE) for size in sizes]
    if widths is None:
        assert sum(least) > room
    else:
        assert sum(widths) <= max(room, len(sizes))
        assert all(width >= low for width, low in zip(widths, least, strict=True))
        whole = sum(size.minimum for size in sizes) <= room
        assert not whole or all(width >= size.minimum for width, size in zip(widths, sizes, strict=True))


@pytest.mark.parametrize("labels", [2, 3, 6])
def test_labels_and_groups_stay_whole(labels):
    names = [f"label_{number}" for number in range(labels)]
    summary = Summary(["品类", "店铺"])
    source = Source("a.csv", ["品类", "店铺"], iter(()))
    row = Row("好", cells=("电饭煲与电磁炉", "第二家旗舰店"))
    summary.add(source, [row], [Answer(names[0], None)])
    drawn = draw(summary.draw(names, {}), 80)
    assert not [word for word in [*names, "unscored", "电饭煲与电磁炉", "第二家旗舰店"] if word not in drawn]


@pytest.mark.parametrize("words", [["models", "list"], ["plugins", "list"], ["corpus", "list"]])
def test_names_are_whole_on_a_terminal(run, nlpkit_command, clean_environment, words):
    listed = json.loads(run(*words, "--format", "json").stdout)
    shown = on_a_terminal([nlpkit_command, *words], clean_environment | {"COLUMNS": "80"}).decode()
    names = [entry["name"] for entry in listed]
    assert names
    assert not [name for name in names if f"{name} " not in shown]
