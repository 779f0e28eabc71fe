"""What is too much is refused in one sentence, and what is wrong harms nobody else."""

import http.client
import io
import json
import socket
import threading
import time
import zipfile

import pytest
import xlsxwriter

from nlpkit_serve.bodies import Held
from nlpkit_serve.faults import RequestFault

SCORE, WRITE = "/v1/models/reviews/score", "/v1/models/reviews-chars/text"
SLOW = {"texts": ["衣服"] * 16, "length": 10_000, "through": True, "no_repeat": 0}  # minutes


@pytest.fixture(scope="module")
def small():
    """A server that takes little."""
    from serve_clients import serve

    with serve(models=("reviews",), max_texts=3, max_bytes=2_000, max_file_bytes=200) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "request_", "status", "said"),
    [
        (SCORE, {"item": {"texts": ["好"] * 4}}, 413, "4 texts are too many, 3 are the most at once"),
        (SCORE, {"item": {"texts": ["好" * 1000]}}, 413, "a body of more than 2,000 bytes is not read"),
        (SCORE, {"item": {}}, 422, 'say "text", which is one'),
        (SCORE, {"item": {"text": "好", "texts": []}}, 422, 'say "text", which is one'),
        (SCORE, {"item": {"texts": "好"}}, 422, "texts are a list, found a text"),
        (SCORE, {"item": {"text": "好", "explian": True}}, 422, "did you mean 'explain'"),
        (SCORE, {"item": {"text": "好", "explain": 1}}, 422, "explain wants true or false, found 1"),
        (SCORE, {"item": {"text": "好", "min_probability": 2}}, 422, "min_probability must be in [0, 1], was: 2"),
        (SCORE, {"item": {"text": "好", "labels": "good,bad"}}, 422, "good"),
        (SCORE, {"item": {"text": "好", "labels": "\r*"}}, 422, "names stand on one line"),
        (SCORE, {"item": {"text": "好", "labels": "x" * 1001}}, 422, "1,000 are the most on this server"),
        (SCORE, {"item": {"text": "好", "labels": [[[[[[[[[[]]]]]]]]]]}}, 422, "nested too deep"),
        (SCORE, {"item": {"text": "好", "stream": True}}, 422, "leave stream out"),
        (SCORE, {"item": {"text": "好", "stream": 1}}, 422, "stream is true or false"),
        (SCORE, {"item": ["好"]}, 400, "as an object of JSON"),
        (SCORE, {"body": b"{", "Content_Type": "application/json"}, 400, "as an object of JSON"),
        (SCORE, {"body": b"[" * 1900, "Content_Type": "application/json"}, 400, "as an object of JSON"),
        (SCORE, {"body": b'{"text": "\xff"}', "Content_Type": "application/json"}, 400, "not UTF-8"),
        (SCORE, {"body": b"text=1"}, 415, "expected the header 'Content-Type: application/json'"),
        (SCORE, {"method": "GET"}, 405, "use POST"),
        ("/v1/models/revews/score", {"item": {"text": "好"}}, 404, "did you mean 'reviews'"),
        ("/v1/models/reviews/fill", {"item": {"text": "好"}}, 404, "reviews has no verb 'fill'"),
        ("/v1/models/..%2f..%2fetc/score", {"item": {"text": "好"}}, 404, "no model '..'"),
        ("/nothing", {}, 404, "GET /v1/models says what can be asked"),
        ("/docs", {}, 404, "nothing here"),
        ("/v1/columns", {"body": b"a"}, 422, "a file called '' is not read"),
        ("/v1/columns?name=x.pkl", {"body": b"a"}, 422, "a file called 'x.pkl' is not read"),
        ("/v1/columns?name=x.csv", {"body": b""}, 422, "the file is empty"),
        ("/v1/columns?name=x.csv", {"body": b"\x1f\x8b\x08"}, 422, "packed"),
        ("/v1/columns?name=x.csv", {"body": b"a" * 201}, 413, "more than 200 bytes"),
        (f"{SCORE}/file?name=x.csv&column=b", {"body": b"a\n1\n"}, 422, "sent.csv has no column 'b'"),
        (f"{SCORE}/file?name=x.csv&format=html", {"body": b"a\n1\n"}, 422, "no format 'html'"),
        (f"{SCORE}/file?name=x.csv&min=1", {"body": b"a\n1\n"}, 422, "has no option 'min'"),
    ],
)
def test_refused_in_one_sentence(small, path, request_, status, said):
    answer = small.ask(path, **request_)
    assert (answer.status, said in answer.message) == (status, True), answer.body
    assert set(answer.json["error"]) == {"kind", "message"}
    assert "Traceback" not in answer.message
    assert "/tmp" not in answer.message
    assert small.score("质量很好").status == 200


@pytest.mark.parametrize(
    ("model", "verb", "options", "said"),
    [
        ("reviews-cloze", "fill", {"lexicon": "/etc/passwd"}, "lexicon is a file, and no request opens one"),
        ("reviews-cloze", "fill", {"pattern": "((.*)*)*x"}, "pattern repeats a group"),
        ("reviews-cloze", "fill", {"pattern": ".*" * 20}, "busy for ever"),
        ("reviews-cloze", "fill", {"pattern": "("}, "no regular expression"),
        ("reviews-cloze", "fill", {"top": 10**9}, "top must be at most 10,000 on this server"),
        ("reviews-chars", "text", {"length": 10**400}, "length must be at most 10,000 on this server"),
        ("reviews-chars", "text", {"temperature": 10**400}, "temperature must be in [0, 100]"),
        ("reviews-chars", "text", {"temperature": 101}, "temperature must be in [0, 100]"),
    ],
)
def test_options_that_would_harm_the_server_are_refused(client, model, verb, options, said):
    answer = client.score("衣服__", model=model, verb=verb, **options)
    assert (answer.status, said in answer.message) == (422, True), answer.body


def test_a_workbook_that_is_much_larger_than_it_looks_is_not_read(server):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet1.xml", b" " * 90_000)
    with server(max_file_bytes=10_000) as client:
        refused = client.ask("/v1/columns?name=a.xlsx", body=packed.getvalue())
        assert (refused.status, "unpacked the file is 90,000 bytes long, 80,000" in refused.message) == (413, True)


def test_a_workbook_whose_last_cell_is_far_away_ends_no_server(client):
    packed = io.BytesIO()
    with xlsxwriter.Workbook(packed) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "text")
        sheet.write(1_048_575, 16_383, "质量很好")
    refused = client.ask("/v1/columns?name=a.xlsx", body=packed.getvalue())
    assert (refused.status, "takes too much memory" in refused.message) == (413, True)


def test_what_is_wrong_is_not_said_at_any_length(client):
    refused = client.ask(SCORE, {"text": "好", "labels": ["a" * 100_000]})
    assert (refused.status, len(refused.message) < 3_000) == (422, True)


def test_a_connection_without_a_whole_request_is_ended(server):
    with server(max_seconds=0.5) as client:
        for sent in (b"", b"GET /healthz HTTP/1.1\r\nHost: 127"):
            with socket.create_connection((client.host, client.port), timeout=20) as connection:
                connection.sendall(sent)
                assert _read_until_ended(connection) == b""


@pytest.mark.slow
@pytest.mark.long
def test_who_does_not_read_keeps_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    body = ("text\n" + "质量很好，服务也很好，下次再来\n" * 200_000).encode()
    with server(max_seconds=20, models=("reviews",)) as client, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((client.host, client.port))
        head = f"POST {SCORE}/file?name=a.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        told = client.wait("request", 120).events("request")[0]
        assert (told["status"], told["unread"]) == (200, True)
        assert list(tmp_path.iterdir()) == []


def _read_until_ended(connection):
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


@pytest.mark.slow
def test_work_that_lasts_is_stopped_and_others_are_answered_meanwhile(server):
    with server(models=("reviews", "reviews-chars"), max_seconds=2.0, threads=2) as client:
        found = {}
        thread = threading.Thread(target=lambda: found.update(slow=client.ask(WRITE, SLOW)))
        thread.start()
        _wait_for(lambda: client.server._pool.waiting == 1)
        assert client.ask("/healthz").status == 200
        assert client.score("质量很好").json["answers"][0]["label"] == "positive"
        assert not found
        thread.join()
        assert found["slow"].status == 504
        assert "not answered within 2 seconds" in found["slow"].message
        _wait_until_idle(client)


def test_those_who_would_wait_too_long_are_sent_away(server):
    with server(models=("reviews-chars",), max_queue=2, max_seconds=600, threads=2) as client:
        waiting = [_ask_and_leave_open(client, SLOW) for _ in range(2)]
        _wait_for(lambda: client.server._pool.waiting == 2)
        refused = client.ask(WRITE, {"text": "衣服"})
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "2 requests wait already" in refused.message
        assert client.ask("/readyz").status == 200
        for connection in waiting:
            connection.close()
        _wait_until_idle(client)
        assert client.ask(WRITE, {"text": "衣服", "length": 1}).status == 200


def _ask_and_leave_open(client, question):
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    connection.request("POST", WRITE, json.dumps(question), {"Content-Type": "application/json"})
    return connection


@pytest.mark.parametrize("question", [{**SLOW, "texts": ["衣"], "stream": True}, SLOW])
def test_work_ends_when_its_client_goes_away(server, question):
    with server(models=("reviews-chars",), max_seconds=600) as client:
        connection = _ask_and_leave_open(client, question)
        if "stream" in question:
            assert connection.getresponse().read(20)
        else:
            _wait_for(lambda: client.server._pool.waiting == 1)
        connection.close()
        _wait_until_idle(client)


def test_a_failing_model_harms_its_row_only(server):
    """A bug of our own, on a text that holds a word: its row says so, and others, asked at once too, are answered."""
    with server(models=("reviews",)) as client:
        model = client.server.models["reviews"].current.saved
        whole = model._read

        def read(texts):
            if any("毒" in text for text in texts):
                raise ZeroDivisionError("毒")
            return whole(texts)

        model._read = read
        answers = client.score("质量很好", "毒", "太差了").json["answers"]
        assert [answer["label"] for answer in answers] == ["positive", None, "negative"]
        assert answers[1]["reason"] == "the model failed: ZeroDivisionError"
        many = client.score(*["质量很好"] * 300, "毒").json["answers"]
        assert [answer["label"] for answer in many] == ["positive"] * 300 + [None]
        errors = client.events("error")
        assert errors[0]["kind"] == "ZeroDivisionError"
        assert "毒" not in client.log.getvalue()
        assert "\\u6bd2" not in client.log.getvalue()


def _wait_until_idle(client):
    """Wait until no thread works on a model any more."""
    _wait_for(lambda: not client.server._pool._stops and not client.server._pool.waiting)


def _wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_all_bodies_together_are_bounded():
    held, one, other = Held(), {}, {}
    held.add(one, 60, 100)
    held.add(other, 40, 100)
    with pytest.raises(RequestFault, match="holds as many bodies as it can"):
        held.add(one, 1, 100)
    held.release(other)
    held.release(other)
    held.add(one, 40, 100)
    assert one["held"] == 100


def test_balancers_may_ask_for_the_head_alone(small):
    answer = small.ask("/healthz", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
