from nlpkit.text.line_numbers import Lines, which_lines


def test_the_first_lines_are_named_and_the_others_counted():
    assert [which_lines(range(1, n + 1)) for n in range(6)] == [
        "",
        "line 1",
        "lines 1 and 2",
        "lines 1, 2 and 3",
        "lines 1, 2, 3 and 1 more",
        "lines 1, 2, 3 and 2 more",
    ]
    assert which_lines([1_000_000]) == "line 1,000,000"


def test_a_line_may_have_more_said_of_it():
    lines = Lines()
    assert not lines
    for number in range(3, 8):
        lines.add(number, f"no {number}")
    assert (len(lines), str(lines)) == (5, "lines 3 (no 3), 4 (no 4), 5 (no 5) and 2 more")
