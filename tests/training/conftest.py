import itertools
from pathlib import Path

import pytest

from nlpkit.text.corpus import Example

THINGS = ("手机", "衣服", "酒店", "外卖", "耳机", "鞋子", "水果", "书", "键盘", "电饭煲", "台灯", "背包")
GOOD = ("质量很好", "真不错", "特别喜欢", "下次还来", "物流快", "值得购买", "做工精细", "很满意")
BAD = ("质量太差", "坏了", "非常失望", "再也不来", "物流慢", "不建议购买", "做工粗糙", "要退货")


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """192 invented reviews, half of each label."""
    found = []
    for thing, (good, bad) in itertools.product(THINGS, zip(GOOD, BAD, strict=True)):
        found += [
            Example(f"这{thing}{good}。", "positive", "shop.csv"),
            Example(f"这{thing}{bad}！", "negative", "shop.csv"),
        ]
    return found


@pytest.fixture
def corpus(tmp_path: Path, examples: list[Example]) -> Path:
    path = tmp_path / "corpus.csv"
    path.write_text("text,label\n" + "".join(f"{e.text},{e.label}\n" for e in examples), encoding="utf-8")
    return path
