"""The sample texts are as their README says: sizes, balance, and no text twice in any of the files."""

import csv
import itertools
import json
from collections import Counter, defaultdict

from nlpkit.text.split import letters


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def texts_of(path):
    if path.suffix == ".csv":
        return [row["review"] if "review" in row else row["text"] for row in read(path)]
    if path.suffix == ".jsonl":
        return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert path.suffix == ".txt", path
    return path.read_text(encoding="utf-8").split("\n")


def all_files(samples):
    return sorted(path for path in samples.iterdir() if path.name != "README.md")


def character_pairs(text):
    return {a + b for a, b in itertools.pairwise(text) if (a + b).isalpha()}


def test_no_text_comes_twice_in_any_file(samples):
    places = defaultdict(list)
    for path in all_files(samples):
        for number, text in enumerate(texts_of(path), 1):
            if key := letters(text):
                places[key].append((path.name, number, text))
    assert [found for found in places.values() if len(found) > 1] == []
    assert len(places) > 1600  # they were read


def test_the_files_are_plain_and_described(samples):
    described = (samples / "README.md").read_text(encoding="utf-8")
    for path in all_files(samples):
        data = path.read_bytes()
        assert not data.startswith(b"\xef\xbb\xbf"), path
        assert b"\r" not in data, path
        assert f"| `{path.name}` |" in described


def test_each_pair_has_both_verdicts(samples):
    for name, each in (("minimal_pairs.csv", 40), ("pairs_in_reviews.csv", 10)):
        rows = read(samples / name)
        assert [row["pair"] for row in rows] == [str(pair) for pair in range(1, 201) for _ in range(2)]
        for number, (one, other) in enumerate(zip(rows[::2], rows[1::2], strict=True)):
            verdicts = ["positive", "negative"] if number % 2 == 0 else ["negative", "positive"]
            assert [one["label"], other["label"]] == verdicts, one
            assert one["category"] == other["category"], one
        assert set(Counter(row["category"] for row in rows).values()) == {2 * each}


def test_pairs_in_reviews_are_as_long_as_said(samples):
    lengths = [len(row["text"]) for row in read(samples / "pairs_in_reviews.csv")]
    assert (min(lengths), max(lengths)) == (10, 58)


def test_texts_without_an_opinion(samples):
    rows = read(samples / "no_opinion.csv")
    assert list(rows[0]) == ["id", "category", "text"]
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 201)]
    categories = Counter(row["category"] for row in rows)
    assert (len(categories), set(categories.values())) == (20, {10})
    lengths = [len(row["text"]) for row in rows]
    assert (min(lengths), max(lengths)) == (4, 36)


def test_customer_messages_are_balanced(samples):
    rows = read(samples / "customer_messages.csv")
    assert Counter((row["split"], row["label"]) for row in rows) == {
        (split, label): size
        for split, size in (("train", 75), ("other", 10))
        for label in ("物流", "退换", "发票", "商品咨询")
    }
    assert len((samples / "customer_messages.csv").read_text(encoding="utf-8").splitlines()) == 341  # one line a row


def test_other_wordings_hold_no_word_that_tells_a_class(samples):
    rows = read(samples / "customer_messages.csv")
    found = defaultdict(Counter)
    for row in rows:
        if row["split"] == "train":
            for pair in character_pairs(row["text"]):
                found[pair][row["label"]] += 1
    telling = {
        pair for pair, labels in found.items() if labels.total() >= 4 and max(labels.values()) >= 0.75 * labels.total()
    }
    assert {"发票", "快递", "退货"} <= telling
    others = [row["text"] for row in rows if row["split"] == "other"]
    assert [(text, held) for text in others if (held := character_pairs(text) & telling)] == []
