from nlpkit.text.invisible import INVISIBLE, STEERING, visible


def characters_of(ranges):
    return {chr(code) for first, last in ranges for code in range(first, last + 1)}


def test_ranges_are_in_order_and_apart():
    for ranges in (INVISIBLE, STEERING):
        edges = [edge for first, last in ranges for edge in (first, last + 1)]
        assert edges == sorted(set(edges))


def test_what_steers_is_invisible_or_breaks_a_line():
    assert characters_of(STEERING) - characters_of(INVISIBLE) == set("\x85\u2028\u2029")


def test_what_makes_an_emoji_is_invisible_and_steers_nothing():
    assert not characters_of(STEERING) & set("\u200b\u200c\u200d\ufe0e\ufe0f\ufeff\xad")
    assert visible("❤\ufe0f好\u200d用\xad\u3000") == "❤好用\u3000"
