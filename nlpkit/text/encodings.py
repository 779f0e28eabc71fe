"""Finds out in which encoding bytes are: the one in which they make the likeliest Chinese text.

Every encoding that Chinese files come in is tried, and a reading is judged character by character by how often such
characters stand in texts (a unigram model over classes of characters, as in Li and Momoi 2001,
https://www-archive.mozilla.org/projects/intl/universalcharsetdetection). Bytes that fit nothing cost as much as the
rarest character.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import log

UNDECODABLE = "\udcff"  # stands for bytes that the encoding does not know; no file can hold it
HEAD_BYTES = 1 << 15  # bytes from which the encoding is found out; where there are fewer, they are all that tell
SURE_BYTES = 100  # bytes beyond ASCII that are UTF-8 by chance in no other encoding
CLOSE_NATS = 8.0  # nats by which the best reading must be ahead for it to be taken without a word
UNSURE_NATS = 40.0  # where no character of Chinese tells
_BEFOREHAND = {"utf-8": -2.0, "utf-16-le": 3.0, "utf-16-be": 3.0}  # nats: what is usual, what is rare without a mark
BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MULTIBYTE = ("utf-8", "gb18030", "cp950", "big5hkscs")  # of equals the first; cp950 is Big5 as Windows has it
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_HIGH = bytes(range(128, 256))
_WIDE = ("utf-16-le", "utf-16-be")
_COMMON = (  # seven in eight of the characters of any Chinese text, most frequent first
    "的不是了一有很我好个还就这也机没人在到来都用大上手以点时要说看多后可么买服电能错小天感过下比店间价得次果会去和真"
    "觉你家吃子为发太里常面开道差但心那度快车出给们外最自他然想务动音非酒前样现实行中东对别房意高味着只本什速方问水质"
    "喜量地而特品无屏之油生其分格较打年吧如再欢起色菜话啊新直两老货几第哈情充效评经满知体三客装住换便才全题所力性挺理"
    "完种头定又西口当做候于算让正合拍送物观幕像己回卡片美重流星事加位般些照爱接员餐总京因更应且影少超气二明入配购月望"
    "清收作相主包等单同平值内系款结商刚部信肉成耳运国热适怎日原声公已友通门置边台早费进舒听保被提十带待长从该关把路钱"
    "安放环使反设级网退显号板态玩法米跟晚游洗工华每选空四境牛线解推今够难器半花饭试活受失城贵调身森元海计修整吗死朋强"
    "者拿戏女件干白期找万鲜形笑近亮楼确越光场视变鱼风见式优走棒呢程连与黑足书料微香穿慢林低学处儿耗衣五排掉虽统盘容荐"
    "块产简池表象乐始赞周鸡先市希降续示惠坏她建持离牌需畅响图烧各基久眼此代它宝化底马段套颜宜准递根标条火导脑精区卖轻"
    "记议功交午谢妈名拉细苹钟验并求改百节圾垃极男绝张呵论数金远何请跑甜竟故演择存份文认字或语双型消皮及漂居备转红辣售"
    "孩至啦左软业支啥却航景键类办哪致温况角叫晰右必告豆管净硬版目贴剧千考达馆汤除另控斯向神决悲由哥易团预假任思利按旧"
    "厅粉世食山制终箱鞋素倒床升师画锅联帮烤断哦毛停蓝指冷搞施谁巴站步订膜深复切操摄免麻偏写刹坐宾顿喝频爽隔首界虾伤奇"
    "王蛋惊亲携丝传严耐注茶乎蛮烂往户奶诉码卫您层怕南似肯北据查破随司缺坑许静灯将票尔补黄广害讲恶夜护维睡滑龙划烫酸顺"
    "助歌模脸劲专靠泪造姐取营允教桌烦病士德立遇短座具怪镜牙养"
)
_TRADITIONAL = (  # those of them that are written otherwise in traditional and in Cantonese texts, in the same order
    "個還這機沒來點時說後麼買電錯過間價會覺喫爲發裏開車給們務動樣現實東對別問質無較歡話兩貨幾評經滿體裝換題種頭當於讓"
    "觀愛員總應氣購單內結剛運國熱適聲門邊臺費進聽帶長從該關錢環設級網顯號態遊華選線夠難飯試貴調計嗎強戲幹萬鮮樓確場視"
    "變魚風見優連與書學處兒雖統盤薦塊產簡樂贊雞續壞離暢響圖燒寶馬顏準遞標條導腦區賣輕記議謝媽細蘋鍾驗並節極絕張論數遠"
    "請擇認語雙備轉紅軟業卻鍵類辦溫況淨貼劇達館湯決團預舊廳終牀師畫鍋聯幫斷藍誰訂復攝寫剎賓頓頻蝦傷驚親攜絲傳嚴蠻爛戶"
    "訴碼衛層據隨許靜燈將爾補黃廣講惡護維龍劃燙順臉勁專淚營煩鏡養説為裡著衞妳牠祂嘅咗唔係啲喺嘢佢冇畀嚟睇咁"
)
_MARKS = "，。！？、：；“”‘’（）《》【】「」『』…—～·％￥　"
_COSTS = {  # nats a character: -log of how often one of its class stands in texts
    "mark": 4.5,
    "ascii": 3.0,
    "standard": 10.4,  # Han that GB2312 or Big5 has among its frequent ones
    "letter": 8.5,  # of Latin with accents
    "sign": 10.0,  # emoji, Greek, Cyrillic, kana, arrows, what nobody sees
    "hangul": 12.0,
    "rare": 14.0,  # other Han
    "wrong": 16.0,  # controls, private use, what is not assigned, what cannot be decoded
}

codecs.register_error("nlpkit", lambda e: (UNDECODABLE, e.end) if isinstance(e, UnicodeDecodeError) else ("", 0))


@dataclass(frozen=True)
class Reading:
    """The encoding in which some bytes are most likely written.

    :param rival: another that is nearly as likely; None where there is none.
    """

    encoding: str
    rival: str | None = None


def find_encoding(head: bytes, *, beginning: bool = True) -> Reading | None:
    """Find the encoding of a file's first bytes, at most `HEAD_BYTES`; None if no line fits any.

    :param beginning: whether they are the very first: UTF-16 shows at the beginning or not at all.
    """
    if beginning:
        for bom, encoding in BOMS.items():
            if head.startswith(bom):
                return Reading(encoding)
    if len(head) - len(head.translate(None, _HIGH)) > SURE_BYTES and UNDECODABLE not in _text(head, "utf-8"):
        return Reading("utf-8")
    names = [*_MULTIBYTE, *(name for name in _WIDE if beginning and (b"\0" in head or is_text(head, name)))]
    costs = {name: cost for name in names if (cost := _cost(head, name)) is not None}
    if not costs:
        return None
    (encoding, best), *others = sorted(costs.items(), key=lambda item: item[1])
    plain = encoding == "utf-8" and b"\0" not in head
    close = CLOSE_NATS if plain or _HAN.search(_text(head, encoding)) else UNSURE_NATS
    rivals = [name for name, cost in others if cost < best + close and _differ(head, encoding, name)]
    return Reading(encoding, rivals[0] if rivals else None)


def is_text(head: bytes, encoding: str, *, odd: float = 0.2) -> bool:
    """Tell whether all but a share of the characters of bytes, read in an encoding, are such as texts are made of."""
    text = _text(head, encoding)
    strange = sum(c not in _ranks() and _class_of(c) in _ODD and ord(c) < _PICTURES for c in text)
    return strange <= odd * len(text)


def _differ(head: bytes, one: str, other: str) -> bool:
    """Tell whether it matters which of two encodings is taken; the two kinds of Big5 differ in signs nobody reads."""
    return {one, other} != {"cp950", "big5hkscs"} and _text(head, one) != _text(head, other)


def _cost(head: bytes, encoding: str) -> float | None:
    """Measure how unlikely bytes are as text in an encoding; None if each line that tells has bytes that do not fit."""
    text = _text(head, encoding)
    if UNDECODABLE in text and all(UNDECODABLE in line for line in text.split("\n") if not line.isascii()):
        return None
    cost = sum(_cost_of(character) * count for character, count in Counter(text).items())
    return cost + _BEFOREHAND.get(encoding, 0.0)


def _text(head: bytes, encoding: str) -> str:
    """Decode bytes; where there are more, the last may be the beginning of a character, and count for nothing."""
    return codecs.getincrementaldecoder(encoding)(errors="nlpkit").decode(head, final=len(head) < HEAD_BYTES)


@cache
def _cost_of(character: str) -> float:
    rank = _ranks().get(character)
    return _COSTS[_class_of(character)] if rank is None else log((rank + 10) / 0.2)  # Zipf's law, roughly


@cache
def _ranks() -> dict[str, float]:
    """Count how many characters are more frequent than each of the common ones."""
    step = len(_COMMON) / len(_TRADITIONAL)
    return {c: at * step for at, c in enumerate(_TRADITIONAL)} | {c: float(at) for at, c in enumerate(_COMMON)}


@cache
def _class_of(character: str) -> str:
    """Name the class by which a character is judged that is none of the common ones."""
    code = ord(character)
    if character in _MARKS:
        return "mark"
    if code < 0x80:
        return "ascii" if character.isprintable() or character in "\t\n\r" else "wrong"
    if "一" <= character <= "鿿" or "㐀" <= character <= "䶿" or code > 0x1FFFF:
        return "standard" if _is_standard(character) else "rare"
    if "가" <= character <= "힣":
        return "hangul"
    if not (character.isprintable() or character in _UNSEEN) or "豈" <= character <= "﫿":
        return "wrong"
    return "letter" if "À" <= character <= "ÿ" else "sign"


_ODD = ("sign", "rare", "hangul", "wrong")
_PICTURES = 0x1F000  # here emoji begin
# What Python does not print and texts hold nevertheless. Not all that is invisible: the rest shows a wrong encoding.
_UNSEEN = "\x85\xa0\xad\u200b\u200c\u200d\u200e\u200f\u2060\u3000\ufe0e\ufe0f\ufeff"


def _is_standard(character: str) -> bool:
    """Tell whether GB2312 or Big5 has a Han character in its first level: rows B0 to D7, A4 to C6."""
    levels: Iterable[tuple[str, int, int]] = (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6))
    for encoding, first, last in levels:
        data = character.encode(encoding, "ignore")
        if data and first <= data[0] <= last:
            return True
    return False
