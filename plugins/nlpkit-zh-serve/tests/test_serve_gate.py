"""Who is let in, and what every answer has."""

import base64
import time

import pytest

TOKEN = "s3cret-\u9492"
SCORE = "/v1/models/reviews/score"


@pytest.fixture(scope="module")
def guarded():
    """A server that wants a token."""
    from serve_clients import serve

    with serve(token=TOKEN) as client:
        yield client


def _basic(password):
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def test_nobody_comes_in_without_the_token(guarded):
    for path in ("/v1/models", "/metrics", "/openapi.json", SCORE, "/v1/columns", "/nothing"):
        for shown in (None, "", "Bearer", "Bearer x", "Bearer s3cret-", "Basic !", _basic("x"), f"Digest {TOKEN[:6]}"):
            headers = {} if shown is None else {"Authorization": shown}
            refused = guarded.ask(path, **headers)
            assert refused.status == 401, (path, shown)
            assert refused.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in refused.message
    assert guarded.ask("/healthz").status == guarded.ask("/readyz").status == guarded.ask("/").status == 200


def test_whoever_shows_the_token_comes_in(guarded):
    shown = f"Bearer {TOKEN}".encode().decode("latin-1")
    assert guarded.ask(SCORE, {"text": "好用"}, Authorization=shown).status == 200
    assert guarded.ask("/label-studio/reviews/health", Authorization=_basic(TOKEN)).json["status"] == "UP"
    described = guarded.ask("/openapi.json", Authorization=shown).json
    assert described["security"] == [{"token": []}]
    assert TOKEN not in guarded.log.getvalue()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::2]:80", "", "x:y"])
def test_names_that_are_not_its_own_are_refused(client, host):
    assert client.ask("/v1/models", Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:8000"])
def test_names_of_loopback_are_its_own(client, host):
    assert client.ask("/healthz", Host=host).status == 200


def test_another_name_may_be_allowed(server):
    with server(hosts=("nlp.example",)) as client:
        assert client.ask("/healthz", Host="nlp.example").status == 200
        assert client.ask("/healthz", Host="nlp.example", Origin="https://nlp.example").status == 200


def test_pages_of_other_sites_are_refused(client):
    own = f"http://127.0.0.1:{client.port}"
    assert client.ask(SCORE, {"text": "好"}, Origin=own).status == 200
    for origin in ("https://evil.example", "null", "http://[", f"{own}0"):
        answer = client.ask(SCORE, {"text": "好"}, Origin=origin)
        assert answer.status == 403
        assert not any(name.startswith("access-control") for name in answer.headers)
    assert client.ask(SCORE, method="OPTIONS").status == 405


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing", "/v1/models", "/metrics", "/openapi.json"])
def test_every_answer_has_its_headers(client, path):
    headers = client.ask(path, X_Request_Id="mine-1").headers
    assert headers["x-request-id"] == "mine-1"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert client.ask(path, X_Request_Id='a"b\t' * 9).headers["x-request-id"].isalnum()


def test_the_log_tells_requests_and_no_texts(server):
    with server() as client:
        client.ask(SCORE, {"text": "质量很好"}, X_Request_Id="abc")
        client.ask("/secret-path")
        _wait_for(lambda: len(client.events("request")) == 2)
        (event,) = [event for event in client.events("request") if event["request"] == "abc"]
        assert (event["route"], event["status"], event["texts"]) == (SCORE, 200, 1)
        assert "质量" not in client.log.getvalue().encode().decode("unicode_escape")
        assert "secret" not in client.log.getvalue()
    with server(log_texts=True) as client:
        client.score("质量很好")
        client.wait("request")
        assert client.events("request")[-1]["said"] == ["质量很好"]


def test_what_fails_has_no_traceback(server):
    with server() as client:
        client.server.models["reviews"].current.describe = lambda **_: 1 / 0
        answer = client.ask("/v1/models", X_Request_Id="abc")
        assert answer.status == 500
        assert answer.message == "the server failed on this request; its log says more, under abc"
        assert client.events("error")[0]["kind"] == "ZeroDivisionError"


def test_the_page_or_a_sentence_is_there(client):
    answer = client.ask("/")
    assert answer.status == 200
    assert answer.headers["content-type"] in ("text/html; charset=utf-8", "text/plain; charset=utf-8")


def test_figures_are_there(client):
    client.score("质量很好", "")
    figures = client.ask("/metrics").body.decode()
    assert 'nlpkit_rows_total{model="reviews",verb="score"}' in figures
    assert 'nlpkit_rows_without_answer_total{model="reviews",reason="empty",verb="score"}' in figures
    assert f'nlpkit_requests_total{{route="{SCORE}",status="200"}}' in figures
    assert "nlpkit_ready 1.0" in figures
    assert "nlpkit_queue 0.0" in figures


def _wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)
