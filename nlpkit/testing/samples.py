"""Texts that every component is tried on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

PLAIN = (
    "质量很好，下次还来",
    "衣服颜色不错，大小合适",
    "物流太慢了，等了一个星期",
    "好",
    "客服态度很差，再也不买了",
    "做工一般，价格便宜",
    "房间很干净，早餐也不错，就是离地铁站有点远，下次来还会住这里",
    "东西收到了，和图片上的一样",
    "屏幕有划痕，退货也不理",
    "味道很好，包装也很好",
)
LABELS = (1, 1, 0, 1, 0, 0, 1, 1, 0, 1)
TIMES = 6  # so often each text is there, so that its tokens are not rare
LONG = "质量很好，" * 2000
_RAW = (
    "",
    " ",
    " \t\u3000 ",
    "。",
    "！？……",
    "👍🏽👨‍👩‍👧 很好",
    "好\ud800坏",
    "第一行\n第二行\r\n",
    "零\x00字节\x1b[31m",
    "𠮷野家，囍",
    "Ａｂｃ ＡＢＣ abc Straße İ",
    "cafe\u0301 \u202eolleh\u202c \u200b\ufeff",
    "ไทย हिन्दी עברית",
    "\ufffd\ufffe\U0010ffff",
    "哈" * 300,
    "a" * 300,
    "1234567890.50￥",
    LONG,
)


def list_odd_texts() -> list[str]:
    """Return texts that are hard to cut, as they arrive: by any settings, lone surrogates and newlines replaced."""
    from nlpkit.text.normalisation import Normaliser  # needs numpy

    plain = Normaliser(nfkc=False, lower=False, simplify=False, visible=False)
    return [*plain.batch(_RAW), *Normaliser(zero=True).batch(_RAW)]


class Documents:
    """Lists of tokens that can be gone through again and again, and nothing else: they may be larger than memory."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self._documents = documents

    def __iter__(self) -> Iterator[Sequence[str]]:
        return iter(self._documents)
