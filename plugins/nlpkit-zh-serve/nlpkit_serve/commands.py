"""``nlpkit serve``. Heavy imports live in the command's body."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from nlpkit_serve.settings import TOKEN, Settings

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULTS = {field.name: field.default for field in fields(Settings)}


def _bound(name: str, kind: click.ParamType[Any], about: str) -> Callable[[Command], Command]:
    """Make an option of a limit."""
    flag = f"--{name.replace('_', '-')}"
    return click.option(flag, type=kind, default=DEFAULTS[name], show_default=True, metavar="N", help=about)


@click.command(short_help="Answer over HTTP, and show a page to play with.")
@click.option(
    "--model",
    "-m",
    "models",
    multiple=True,
    metavar="MODEL",
    help="A model's name or folder, or NAME=FOLDER; may be repeated.  [default: reviews]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes that answer.")
@click.option("--no-token", is_flag=True, help=f"Let everybody in, at whatever address, without {TOKEN}.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="By this name, too, a server may be called that listens on loopback: behind a proxy.",
)
@_bound("max_texts", click.IntRange(1), "Texts of a request.")
@_bound("max_bytes", click.IntRange(1), "Bytes of a request.")
@_bound("max_file_bytes", click.IntRange(1), "Bytes of a file that is sent.")
@_bound("max_seconds", click.FloatRange(0.01), "Seconds until a request must be answered.")
@_bound("max_queue", click.IntRange(1), "Requests that wait or are being answered, in a process.")
@_bound("max_number", click.IntRange(1), "Most of a whole number among options, such as length.")
@_bound("threads", click.IntRange(1, 256), "Threads of a process in which models work.")
@_bound("drain_seconds", click.FloatRange(0), "For what is being answered when the server is told to end.")
@_bound("watch_seconds", click.FloatRange(0), "Between looks whether a model was replaced; 0: only at SIGHUP.")
@click.option("--log-texts", is_flag=True, help="Let texts stand in the log.")
def serve(models: tuple[str, ...], no_token: bool, workers: int, **options: Any) -> None:
    """Answer over HTTP, and show a page to play with.

    Every verb of a model's task is asked at POST /v1/models/NAME/VERB, with {"texts": ["…"]}; GET /v1/models says what
    there is. The page is at /.

    It listens on loopback, for this machine alone. At any other --host, clients must show the token that
    NLPKIT_SERVE_TOKEN holds, unless --no-token says that all the world may ask.

    A model whose folder is replaced is opened anew, without a request being lost. Ctrl-C and SIGTERM let it answer what
    it has begun, and end it.

    \b
    nlpkit serve
    nlpkit serve -m reviews -m reviews-cloze -m reviews-chars --workers 2
    nlpkit serve -m mine=runs/2026-03 --port 9000
    NLPKIT_SERVE_TOKEN=$(cat token) nlpkit serve --host 0.0.0.0
    """
    from nlpkit_serve.running import run

    token = None if no_token else os.environ.get(TOKEN) or None
    settings = Settings(models=models or ("reviews",), workers=workers, token=token, **options)
    if not settings.loopback and token is None and not no_token:
        raise click.UsageError(
            f"at {settings.host} others can reach this server: put a token into {TOKEN}, or say --no-token"
        )
    raise click.exceptions.Exit(run(settings))
