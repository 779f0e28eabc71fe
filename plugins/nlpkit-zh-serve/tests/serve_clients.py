"""A real server on loopback, asked by what Python has: no client whose habits could hide a fault."""

import http.client
import io
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from nlpkit_serve.app import Server
from nlpkit_serve.journal import Journal
from nlpkit_serve.running import listen, make_config
from nlpkit_serve.settings import Settings


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["error"]["message"]


@dataclass
class Client:
    """Asks a server."""

    port: int
    log: io.StringIO = None
    server: Server = None
    host: str = "127.0.0.1"

    def ask(self, path, item=None, *, method=None, body=None, **headers):
        """Ask for a path; with something, it is a POST of JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if item is not None:
            body = json.dumps(item).encode()
            headers = {"Content-Type": "application/json", **headers}
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def score(self, *texts, model="reviews", verb="score", **options):
        return self.ask(f"/v1/models/{model}/{verb}", {"texts": list(texts), **options})

    def wait(self, event, seconds=60):
        """Wait until something stands in the log."""
        until = time.monotonic() + seconds
        while not self.events(event):
            assert time.monotonic() < until, self.log.getvalue()
            time.sleep(0.02)
        return self

    def events(self, name=None):
        """What stands in its log."""
        every = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [event for event in every if name is None or event["event"] == name]


@contextmanager
def serve(until="ready", **settings):
    """Serve in a thread of this process, at any port that is free."""
    chosen, log = Settings(port=0, **{"watch_seconds": 0.1, "drain_seconds": 1, **settings}), io.StringIO()
    server = Server(chosen, Journal(texts=chosen.log_texts, out=log))
    listening = listen(chosen)
    running = uvicorn.Server(make_config(server))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Client(listening.getsockname()[1], log, server).wait(until)
    finally:
        running.should_exit = True
        thread.join()
        listening.close()
