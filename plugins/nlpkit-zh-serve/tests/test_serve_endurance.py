"""What only shows when a server is asked again and again."""

import asyncio
import http.client
import json
import os
import socket
import time
from functools import partial

import pytest

from nlpkit_serve.running import AT_ONCE, SharedSocket, listen
from nlpkit_serve.settings import Settings


def test_a_connection_that_is_kept_waits_for_no_acknowledgement(client):
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
    body, seconds = json.dumps({"text": "质量很好"}), []
    for _ in range(10):
        began = time.perf_counter()
        connection.request("POST", "/v1/models/reviews/score", body, {"Content-Type": "application/json"})
        assert connection.getresponse().read()
        seconds.append(time.perf_counter() - began)
    connection.close()
    assert min(seconds[1:]) < 0.03  # head and body in two packets: the second would wait 40 ms for the first's


def test_who_sends_a_body_too_slowly_is_told_so(server):
    with server(max_seconds=0.2) as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
        connection.putrequest("POST", "/v1/models/reviews/score")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "9")
        connection.endheaders()
        response = connection.getresponse()
        told = json.load(response)
        connection.close()
    assert response.status == 408
    assert told["error"] == {"kind": "body_too_slow", "message": "the body was not sent within 0.2 seconds"}


def test_what_generated_clients_call_a_route_is_a_name(client):
    paths = client.ask("/openapi.json").json["paths"]
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert {"list_models", "reviews_score", "reviews_score_file", "reviews_cloze_fill", "show_columns"} <= set(names)
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and not name.startswith("_") and "v1" not in name for name in names)


def test_a_header_without_end_is_not_read(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        with pytest.raises(OSError, match=r"(?i)reset|broken|abort"):
            connection.sendall(b"a" * (64 << 20))


@pytest.mark.skipif(os.name == "nt", reason="workers share a socket on Unix only")
def test_connections_are_shared_by_all_workers():
    listening, taken = listen(Settings(port=0)), ([], [])
    waiting = [socket.create_connection(listening.getsockname()) for _ in range(12)]

    def take(some, _reader, writer):
        some.append(writer)
        writer.close()

    async def work():
        servers = [
            await asyncio.start_server(
                partial(take, some),
                sock=SharedSocket(fileno=os.dup(listening.fileno())),
                backlog=AT_ONCE,
                start_serving=False,
            )
            for some in taken
        ]
        await asyncio.gather(*(server.start_serving() for server in servers))
        while sum(map(len, taken)) < len(waiting):
            await asyncio.sleep(0.01)
        for server in servers:
            server.close()
        await asyncio.gather(*(writer.wait_closed() for some in taken for writer in some))

    asyncio.run(work())
    for connection in (*waiting, listening):
        connection.close()
    assert min(map(len, taken)) > 3
