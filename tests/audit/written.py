"""Reviews that a grammar writes: no two alike; most of their words tell their label, some tell the other."""

import itertools
import random

from nlpkit.text.corpus import Example

THINGS = ("手机", "衬衫", "台灯", "水壶", "耳机", "背包", "键盘", "雨伞", "枕头", "茶杯", "书桌", "球鞋")
OPENINGS = (
    "上周买的",
    "朋友推荐的",
    "第二次买这种",
    "给父母买的",
    "出差时用的",
    "搬家以后添置的",
    "打折时下单的",
    "等了三天才到的",
)
GOOD = ("质量很好", "做工精细", "手感舒服", "颜色漂亮", "非常满意", "值得推荐", "结实耐用", "下次还来")
BAD = ("质量太差", "做工粗糙", "气味刺鼻", "颜色难看", "非常失望", "不值这个价", "一用就坏", "再也不来")
CLOSINGS = (
    "包装是纸盒",
    "快递放在门口",
    "说明书有两页",
    "家里人都看过",
    "和图片差不多大",
    "客服回了一句话",
    "附了一张卡片",
)
MIXED = 0.2  # share of the texts with a word of the other side


def write_reviews(count, seed=0):
    """Texts with the labels good and bad in turn."""
    rng = random.Random(seed)
    frames = list(itertools.product(OPENINGS, THINGS, CLOSINGS))
    rng.shuffle(frames)
    rows = []
    for number, (opening, thing, closing) in zip(range(count), itertools.cycle(frames)):
        words, others = (GOOD, BAD) if number % 2 else (BAD, GOOD)
        more = [rng.choice(others)] if rng.random() < MIXED else []
        opinions = "，".join([*rng.sample(words, 3), *more])
        rows.append((f"{opening}{thing}，{opinions}，{closing}。", "good" if number % 2 else "bad"))
    return rows


def as_examples(rows, file="reviews.csv"):
    return [Example(text, label, file, file=file, row=at, line=at + 1) for at, (text, label) in enumerate(rows, 1)]
