"""Opinions found by a model and by rules, on rows where people marked them: precision, recall and F1, and the time.

The rules are a rival of our own: clauses between marks; in each the nouns that it begins with are the target, and what
follows is the opinion, if it holds an adjective or a word of a lexicon; its polarity is what the model `reviews` says
of the clause. Without a noun, the target is that of the clause before.
"""

import argparse
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import rjieba
from nlpkit_aspects.metrics import Tally
from nlpkit_aspects.model import AspectsModel
from nlpkit_aspects.opinions import Opinion, Span, read_opinions

from nlpkit import SentimentModel
from nlpkit.text import Example, Faults, deduplicate, read_examples, split_rows

Find: TypeAlias = Callable[[Sequence[str]], list[list[Opinion]]]
GROUP = "domain"
SAMPLES = Path(__file__).parents[1] / "corpora" / "samples" / "opinions.jsonl"
CLAUSE = re.compile(r"[^，,。！？!?；;、：:~～…\s]+")
LEXICON = frozenset(
    re.findall(
        r"\S+",
        """推荐 满意 喜欢 值得 失望 后悔 好吃 好喝 好用 好看 好听 耐用 划算 实惠 差评 好评 赞 棒 坑 烂 差 贵 便宜 吵 脏
        慢 快 到位 给力 不值 难吃 难用 难看 难闻 舒服 方便 热情 一般 还行 不行 不好 不错 不值得 爱 最爱 回味
        享受 惊艳 惊喜 无语""",
    )
)
LEADING = frozenset(
    re.findall(
        r"\S+",
        """就是 但是 但 不过 而且 还有 可是 然后 另外 总体 因为 所以 虽然 只是 而 并且 可 其实 感觉 觉得 还是
        也 最后 首先 其次""",
    )
)
OPENING = ("d", "a", "z", "i", "l", "u")  # tags of words with which an opinion begins where no noun stands before it
SAYING = ("a", "z", "i", "l")


class Clause(NamedTuple):
    """What stands between two marks.

    :param target: the nouns that it begins with.
    :param words: what stands behind them.
    :param says: whether these hold an adjective, or a word of the lexicon.
    """

    begin: int
    end: int
    target: Span | None
    words: Span
    says: bool


def find_by_rules(texts: Sequence[str], reviews: SentimentModel) -> list[list[Opinion]]:
    """Find the opinions of each text; see above."""
    found = [list(_join_targets(read_clauses(text))) for text in texts]
    clauses = [text[clause.begin : clause.end] for text, row in zip(texts, found, strict=True) for clause in row]
    labels = iter([score.label or "neutral" for score in reviews.score(clauses)])
    return [[Opinion(clause.target, clause.words, next(labels)) for clause in row] for row in found]


def read_clauses(text: str) -> Iterator[Clause]:
    """Give the clauses of a text in which something stands behind the nouns."""
    for match in CLAUSE.finditer(text):
        words = list(_place(match[0], match.start()))
        while words and words[0][0] in LEADING:
            words.pop(0)
        nouns = 0
        while nouns < len(words) and _is_noun(words, nouns):
            nouns += 1
        target, rest = words[:nouns], words[nouns:]
        if rest:
            said = any(tag.startswith(SAYING) or word in LEXICON for word, tag, _, _ in rest)
            opens = bool(target) or rest[0][1].startswith(OPENING) or rest[0][0] in LEXICON
            span = (target[0][2], target[-1][3]) if target else None
            yield Clause(*match.span(), span, (rest[0][2], rest[-1][3]), said and opens)


def _join_targets(clauses: Iterable[Clause]) -> Iterator[Clause]:
    """Give clauses that say something; one without a target has that of the clause before."""
    before: Span | None = None
    for clause in clauses:
        before = clause.target or before
        if clause.says:
            yield clause._replace(target=before)


def _place(clause: str, begin: int) -> Iterator[tuple[str, str, int, int]]:
    """Give words with tags, and where they stand."""
    for word, tag in rjieba.tag(clause, True):
        yield word, tag, begin, begin + len(word)
        begin += len(word)


def _is_noun(words: Sequence[tuple[str, str, int, int]], at: int) -> bool:
    """Tell whether a word is of the nouns that a clause begins with; 的 is, between two."""
    word, tag = words[at][:2]
    if word in LEXICON:
        return False
    return tag.startswith(("n", "vn", "eng")) or (
        word == "的" and at > 0 and at + 1 < len(words) and _is_noun(words, at + 1)
    )


def read_marked(path: Path, limit: int | None, seed: int = 0) -> list[Example]:
    """Read rows, or so many that are drawn by a seed."""
    group = GROUP if path == SAMPLES else None
    rows = list(read_examples(path, answer="json", answer_columns=("opinions",), group_column=group, faults=Faults()))
    return rows if limit is None else random.Random(seed).sample(rows, min(limit, len(rows)))


def compare(rows: Sequence[Example], finders: Mapping[str, Find]) -> dict[str, Any]:
    """Return figures of each finder, and how many rows it answers in a second of a processor."""
    texts, figures = [row.text for row in rows], {}
    expected = [read_opinions(row.text, row.label) for row in rows]
    for name, find in finders.items():
        begun = time.process_time()
        found = find(texts)
        seconds = time.process_time() - begun
        tally = Tally()
        for there, told in zip(expected, found, strict=True):
            tally.add(there, told)
        figures[name] = {"exact": tally.exact.to_json(), "overlapping": tally.overlapping.to_json()}
        figures[name]["rows_a_second"] = round(len(rows) / max(seconds, 1e-9))
    return {"rows": len(rows), "opinions": sum(map(len, expected)), **figures}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print JSON: all rows, and those of each domain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, nargs="?", default=SAMPLES, help="lines of JSON with text and opinions")
    parser.add_argument("--model", default=None, help="name or folder; the shipped one unless said")
    parser.add_argument("--limit", type=int, help="measure on so many rows, drawn by a seed")
    parser.add_argument(
        "--test-rows", action="store_true", help="only those that the model was not trained or tuned on"
    )
    told = parser.parse_args(arguments)
    model, reviews = AspectsModel.load(told.model, warm=True), SentimentModel.load("reviews", warm=True)
    rows = read_marked(told.corpus, told.limit)
    if told.test_rows:
        shares = {name: model.bundle.config["settings"][name] for name in ("test", "validation")}
        rows = list(split_rows(deduplicate(rows).examples, **shares).test)
    finders: dict[str, Find] = {
        "model": lambda texts: [answer.opinions for answer in model.find(texts)],
        "rules": lambda texts: find_by_rules(texts, reviews),
    }
    groups = {"all": rows} | {
        name: [row for row in rows if row.group == name] for name in sorted({r.group for r in rows})
    }
    print(json.dumps({name: compare(some, finders) for name, some in groups.items() if name}, indent=1))


if __name__ == "__main__":
    main()
