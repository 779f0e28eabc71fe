"""A real server on loopback, and what the shell says to the same."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from nlpkit.commands import cli
from serve_clients import serve


@pytest.fixture(scope="session")
def client():
    """A server of the three models that nlpkit ships."""
    with serve(models=("reviews", "reviews-cloze", "reviews-chars")) as served:
        yield served


@pytest.fixture
def server():
    """What begins a server of its own."""
    return serve


@pytest.fixture
def shell(tmp_path):
    """What the shell writes of texts, each a line of JSON."""

    def answer(texts, *command, name="text"):
        source, target = tmp_path / "texts.jsonl", tmp_path / "answers.jsonl"
        lines = [json.dumps({name: text}, ensure_ascii=False, separators=(",", ":")) for text in texts]
        source.write_text("\n".join(lines) + "\n", "utf-8")
        target.unlink(missing_ok=True)
        done = CliRunner().invoke(cli, [*command, "--column", name, "--file", str(source), "-o", str(target)])
        assert done.exit_code == 0, done.output
        return target.read_bytes().splitlines()

    return SimpleNamespace(answer=answer)
