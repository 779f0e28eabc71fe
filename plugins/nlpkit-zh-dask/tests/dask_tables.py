"""Tables of a few reviews, and what the core makes of them."""

import csv

TEXTS = ["质量很好，下次还来", "太差了，不建议购买", "👍", "", '一般"般"吧,\n换行了', "物流快"]


def write_table(path, rows, first=0):
    """Write numbered reviews, some of them with quotes, commas and line breaks."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "review"])
        out.writerows([n, f"{TEXTS[n % len(TEXTS)]}{n if n % 3 else ''}"] for n in range(first, first + rows))


def core(run, source, target):
    """What the core writes of a file."""
    run("sentiment", "score", source, "--column", "review", "-o", target)
    return target.read_bytes()
