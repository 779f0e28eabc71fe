"""What is answered is what the shell answers."""

import json
import threading

import pytest

TEXTS = [
    "质量很好，下次还来",
    "太差了，不建议购买",
    "",
    "👍",
    '一般"般"吧,\n换行了',
    "物流快" * 20,
    "不好不坏",
    " \u3000",
]


def lines_of(answer):
    """The answers, byte by byte as they stand there."""
    assert answer.status == 200, answer.body
    _, tail = answer.body.split(b'"answers":[', 1)
    assert tail.endswith(b"]}")
    items = json.loads(answer.body)["answers"]
    return [line.encode() for line in _split(tail[:-2].decode(), len(items))]


def _split(text, number):
    decoder, lines, at = json.JSONDecoder(), [], 0
    for _ in range(number):
        _, end = decoder.raw_decode(text, at)
        lines.append(text[at:end])
        at = end + 1
    return lines


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, []),
        ({"explain": True}, ["--explain"]),
        ({"min_probability": 0.9}, ["--min-probability", "0.9"]),
        ({"labels": "negative,positive"}, ["--labels", "negative,positive"]),
    ],
)
def test_scores_are_those_of_the_shell_byte_by_byte(client, shell, options, flags):
    expected = shell.answer(TEXTS, "sentiment", "score", *flags)
    assert lines_of(client.score(*TEXTS, **options)) == expected


def test_many_texts_are_answered_as_one_by_one(client, shell):
    texts = [f"{text}{number}" for number, text in enumerate(TEXTS * 100)]
    expected = [json.loads(line) for line in shell.answer(texts, "sentiment", "score")]
    found = client.score(*texts).json["answers"]
    assert [(a["label"], a["reason"]) for a in found] == [(a["label"], a["reason"]) for a in expected]
    for own, other in zip(found, expected, strict=True):
        assert own["probability"] == pytest.approx(other["probability"], abs=2e-6)


def test_questions_that_come_at_once_are_answered_together_and_the_same(client, shell):
    texts = [f"{TEXTS[number % 8]}{number}" for number in range(96)]
    expected = [json.loads(line) for line in shell.answer(texts, "sentiment", "score")]
    before, found = _count_batches(client), {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: client.score(texts[n]).json})) for n in range(96)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count_batches(client) - before < 96
    for number, other in enumerate(expected):
        (own,) = found[number]["answers"]
        assert {**own, "probability": 0, "probabilities": 0} == {**other, "probability": 0, "probabilities": 0}
        assert own["probability"] == pytest.approx(other["probability"], abs=2e-6)


def _count_batches(client):
    figures = client.ask("/metrics").body.decode()
    return float(next(line for line in figures.splitlines() if line.startswith("nlpkit_batch_texts_count")).split()[1])


def test_blanks_are_filled_as_the_shell_fills_them(client, shell):
    texts = ["衣服质量__哦", "没有空", "鞋子__，好穿，值得__。"]
    expected = shell.answer(texts, "cloze", "fill", "--top", "3")
    assert lines_of(client.score(*texts, model="reviews-cloze", verb="fill", top=3)) == expected


def test_texts_are_written_as_the_shell_writes_them(client, shell):
    texts = ["衣服", "", "酒店"]
    expected = shell.answer(texts, "generate", "text", "--seed", "3", "--length", "12", name="prompt")
    assert lines_of(client.score(*texts, model="reviews-chars", verb="text", seed=3, length=12)) == expected


def test_pieces_of_a_text_are_the_text(client, shell):
    (expected,) = shell.answer(["衣服"], "generate", "text", "--seed", "5", "--length", "20", name="prompt")
    question = {"text": "衣服", "seed": 5, "length": 20, "stream": True}
    answer = client.ask("/v1/models/reviews-chars/text", question)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [part.split("\n") for part in answer.body.decode().strip().split("\n\n")]
    kinds = [lines[0].removeprefix("event: ") for lines in events]
    data = [json.loads(lines[1].removeprefix("data: ")) for lines in events]
    assert kinds == ["piece"] * (len(kinds) - 1) + ["done"]
    assert len(kinds) > 2
    assert data[-1] == {"model": "reviews-chars", "answers": [json.loads(expected)]}
    assert "".join(piece["text"] for piece in data[:-1]) == data[-1]["answers"][0]["text"]


def test_one_text_is_asked_as_one(client):
    one = client.ask("/v1/models/reviews/score", {"text": "质量很好"})
    assert one.json == client.score("质量很好").json


def test_what_is_no_text_harms_its_row_only(client):
    odd = ["好用", 3, None, {"a": [1]}, "\ud800", True, 10**30, [[[]]], "太差了"]
    answers = client.score(*odd).json["answers"]
    assert [answer["label"] for answer in answers] == ["positive", *[None] * 7, "negative"]
    assert all(answer["reason"] for answer in answers[1:-1])
    body = b'{"texts": ["\xe5\xa5\xbd\xe7\x94\xa8", 1e999, NaN]}'
    found = client.ask("/v1/models/reviews/score", body=body, Content_Type="application/json").json["answers"]
    assert [answer["label"] for answer in found] == ["positive", None, None]


def test_models_say_what_they_can_be_asked(client):
    models = {model["name"]: model for model in client.ask("/v1/models").json["models"]}
    assert list(models) == ["reviews", "reviews-cloze", "reviews-chars"]
    reviews, chars = models["reviews"], models["reviews-chars"]
    assert (reviews["task"], reviews["default"], chars["default"]) == ("sentiment", True, False)
    assert reviews["labels"] == ["negative", "neutral", "positive"]
    assert models["reviews-cloze"]["labels"] is None
    (score,) = reviews["verbs"]
    assert score["path"] == "/v1/models/reviews/score"
    assert score["options"]["properties"]["min_probability"]["maximum"] == 1
    (fill,) = models["reviews-cloze"]["verbs"]
    assert "lexicon" not in fill["options"]["properties"]
    assert (chars["verbs"][0]["streams"], fill["streams"]) == (True, False)


def test_files_are_answered_as_the_shell_answers_them(client, tmp_path):
    from click.testing import CliRunner
    from nlpkit.commands import cli

    source, target = tmp_path / "sent.csv", tmp_path / "scored.csv"
    source.write_text('id,review\n1,质量很好\n2,"太差,了"\n3,\n', "utf-8")
    command = ["sentiment", "score", str(source), "-c", "review", "--probabilities", "-o", str(target)]
    assert CliRunner().invoke(cli, command).exit_code == 0
    path = "/v1/models/reviews/score/file?name=mine.csv&column=review"
    answer = client.ask(path, body=source.read_bytes())
    assert answer.body == target.read_bytes()
    assert "attachment" in answer.headers["content-disposition"]
    shown = client.ask("/v1/columns?name=mine.csv", body=source.read_bytes()).json
    assert shown == {"columns": ["id", "review"], "rows": [["1", "质量很好"], ["2", "太差,了"], ["3", ""]]}
    assert client.ask("/v1/columns?name=a.txt", body="好\n坏\n".encode()).json == {
        "columns": None,
        "rows": [["好"], ["坏"]],
    }
    sure = client.ask(f"{path}&format=jsonl&min_probability=0.99999", body=source.read_bytes()).body.splitlines()
    assert json.loads(sure[0])["reason"].startswith("unsure")


def test_workbooks_are_answered(client):
    pytest.importorskip("python_calamine")
    pytest.importorskip("xlsxwriter")
    sheet = client.ask("/v1/models/reviews/score/file?name=a.csv&format=xlsx", body="text\n质量很好\n".encode())
    assert sheet.body.startswith(b"PK")
    shown = client.ask("/v1/columns?name=a.xlsx", body=sheet.body).json
    assert shown["columns"][:2] == ["text", "label"]
    assert shown["rows"][0][:2] == ["质量很好", "positive"]


def test_tasks_of_others_have_routes(server):
    pytest.importorskip("nlpkit_aspects")
    with server(models=("restaurant-opinions",)) as client:
        answers = client.score("房间很大，就是隔音不好", model="restaurant-opinions").json["answers"]
        assert {opinion["label"] for opinion in answers[0]["opinions"]} <= {"positive", "negative", "neutral"}
        summed = client.score("菜很好", "菜很好吃", model="restaurant-opinions", by="target").json
        assert summed["answers"] == []
        assert summed["records"]
        refused = client.score("菜", model="restaurant-opinions", targets="/etc/passwd")
        assert (refused.status, refused.message) == (422, "targets is a file, and no request opens one: leave it out")


@pytest.mark.parametrize(
    ("model", "task", "verb"), [("reviews", "sentiment", "score"), ("reviews-chars", "generate", "text")]
)
def test_a_task_stands_for_its_first_verb(client, model, task, verb):
    more = {"seed": 1, "length": 5} if task == "generate" else {}
    one, other = (client.score("酒店", model=model, verb=name, **more) for name in (task, verb))
    assert (one.status, one.body) == (200, other.body)
