"""Invented reviews, of which there are thousands, and texts of other kinds."""

import random

THINGS = "手机，电脑，衣服，裤子，鞋子，毛巾，杯子，桌子，窗帘，台灯，风扇，冰箱，空调，相机，耳机，键盘，雨伞，手表"
SIDES = "质量，颜色，味道，做工，包装，价格，服务，物流，手感，款式，大小，声音，屏幕，电池，态度，位置"
DEGREES = "很，非常，比较，真的很，有点，太，特别，不太"
WORDS = "好，不错，满意，漂亮，舒服，快，划算，干净，结实，方便，差，失望，难看，慢，贵，脏，粗糙，麻烦"
ENDS = "值得推荐，下次还来，会再买，五星好评，不建议买，再也不来，要求退货，浪费钱，客服不理人"
CLASSICAL = (
    "秦孝公据崤函之固，拥雍州之地，君臣固守以窥周室。",
    "臣本布衣，躬耕于南阳，苟全性命于乱世，不求闻达于诸侯。",
    "壬戌之秋，七月既望，苏子与客泛舟游于赤壁之下。",
    "环滁皆山也。其西南诸峰，林壑尤美，望之蔚然而深秀者，琅琊也。",
    "六王毕，四海一，蜀山兀，阿房出。覆压三百余里，隔离天日。",
)
ENGLISH = (
    "The box was damaged, and nobody answered my letters.",
    "It was a bright cold day in April, and all clocks were late.",
    "This 手机 has a fine camera, but its battery is weak by noon.",
)
LOGS = (
    "2024-03-01 12:00:03,221 ERROR [main] com.example.Shop - 连接超时: 10.0.0.1:8080",
    "INFO job=83921 status=200 retries=3 queue=default 任务已完成 in 32ms",
    "Mar  3 04:11:09 host sshd[2231]: Failed password for root from 10.2.3.4 port 51412",
)


def reviews(count: int, seed: int) -> list[str]:
    """So many invented reviews, no two the same."""
    draw = random.Random(seed)
    parts = [words.split("，") for words in (THINGS, SIDES, DEGREES, WORDS)]
    made: dict[str, None] = {}
    while len(made) < count:
        clauses = ["".join(map(draw.choice, parts)) for _ in range(draw.randint(1, 4))]
        made["，".join([*clauses, draw.choice(ENDS.split("，"))]) + draw.choice("。！")] = None
    return list(made)
