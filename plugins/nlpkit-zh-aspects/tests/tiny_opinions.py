"""Sentences whose opinions are known as they are made of them."""

import itertools
import json

THINGS = ("菜", "服务", "环境", "价格", "味道", "早餐", "房间", "前台")
WORDS = {"很好": "positive", "不错": "positive", "太差": "negative", "很糟": "negative", "一般": "neutral"}


def make_rows():
    """Rows of one clause and of two, and some that say nothing."""
    said = list(itertools.product(THINGS, WORDS.items()))
    for first, second in itertools.product([None, *said[::13]], said):
        text, opinions = "", []
        for thing, (words, label) in filter(None, (first, second)):
            begin = len(text) + bool(text)
            text += f"{'，' if text else ''}{thing}{words}"
            target, opinion = [begin, begin + len(thing)], [begin + len(thing), len(text)]
            opinions.append({"target": target, "opinion": opinion, "label": label})
        yield {"text": f"{text}。", "opinions": opinions}
    for number in range(20):
        yield {"text": f"{number}号去的{THINGS[number % 8]}", "opinions": []}


def write_corpus(path):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in make_rows()), "utf-8")
    return path


def read_lines(text):
    return [json.loads(line) for line in text.splitlines()]
