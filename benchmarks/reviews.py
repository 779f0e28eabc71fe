"""The corpora and the split that all benchmarks share: that of the recipe `reviews`."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from nlpkit.errors import DataWarning
from nlpkit.text.corpus import Example, read_examples
from nlpkit.text.split import Split, deduplicate, split_rows

FILES = ("goods_zh.txt", "online_shopping_10_cats.csv", "ChnSentiCorp_htl_all.csv")
DOMAINS = ("goods", "shopping", "hotel")
MORE = {
    "phones": "jd_phones.csv",
    "restaurants": "restaurant_opinions.jsonl",
    "five domains": "five_domains.csv",
    "films": "douban_films.csv",
    "weibo": "weibo_hand_labelled.csv",
    "cars": "car_forum.csv",
}
UNLABELLED = "unlabelled.txt"
LABELS = {"0": "negative", "1": "positive"}


def examples(folder: Path) -> Iterator[Example]:
    """All rows, the domain as their group: the shopping file's category 酒店 belongs to hotel."""
    for name, domain in zip(FILES, DOMAINS, strict=True):
        category = "cat" if domain == "shopping" else None
        for e in read_examples(folder / name, group_column=category):
            group = "hotel" if e.group == "酒店" else domain
            yield Example(e.text, LABELS[e.label], e.corpus, group)


def parts(folder: Path) -> Split:
    """The rows that the shipped model was trained on, tuned on, and never saw."""
    return split_rows(deduplicate(examples(folder)).examples, test=0.2, validation=0.05)


def training_texts(folder: Path) -> list[Example]:
    """The texts that `reviews-cloze` and `reviews-chars` were trained on; files that are not there are left out."""
    names = [name for name in (*FILES, *MORE.values(), UNLABELLED) if (folder / name).exists()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # labels behind the texts are left out
        texts = [e for name in names for e in read_examples(folder / name, answer=None)]
    return list(split_rows(deduplicate(texts).examples, test=0.2, validation=0.05).train)


def write_reviews(folder: Path, target: Path, rows: int) -> None:
    """So many test reviews, repeated as often as needed, a line each."""
    texts = [" ".join(e.text.split()) for e in parts(folder).test]
    with target.open("w", encoding="utf-8") as file:
        file.writelines(texts[i % len(texts)] + "\n" for i in range(rows))
