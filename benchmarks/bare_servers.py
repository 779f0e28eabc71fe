"""Servers to compare with, each a route of FastAPI: one that does nothing, one of snownlp.

`bare_servers.py nothing`, or `snownlp`; the port is said on the first line of stderr, as nlpkit says it.
"""

import socket
import sys


def serve(name: str) -> None:
    """Serve as `nlpkit serve` does: the same uvicorn, without its log."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    {"nothing": add_nothing, "snownlp": add_snownlp}[name](app)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # or answers wait for Nagle
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    print(f"{name} at http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none")).run(sockets=[listening])


def add_nothing(app) -> None:
    from starlette.requests import Request

    @app.post("/")
    async def nothing(request: Request):
        await request.body()
        return {}


def add_snownlp(app) -> None:
    from fastapi import Body
    from snownlp import SnowNLP

    @app.post("/")
    def score(item: dict = Body()):  # noqa: B008 - as FastAPI's documentation does it: FastAPI gives it a thread
        return {"answers": [SnowNLP(text).sentiments for text in item["texts"]]}


if __name__ == "__main__":
    serve(sys.argv[1])
