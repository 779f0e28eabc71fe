"""What only shows when a server is asked again and again."""

import http.client
import json
import time


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
