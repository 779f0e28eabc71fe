import click.testing
import pytest
from nlpkit.commands import cli
from tiny_opinions import write_corpus


@pytest.fixture
def run():
    """Run ``nlpkit`` in this process, which has imported what is heavy."""

    def run_command(*arguments, text=None):
        done = click.testing.CliRunner().invoke(cli, list(map(str, arguments)), input=text)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run_command


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Lines of JSON, each a text with its opinions."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "opinions.jsonl")


@pytest.fixture
def reviews(tmp_path):
    """A table with an id beside each review."""
    path = tmp_path / "reviews.csv"
    rows = ["菜很好吃，服务太慢。", "昨天去的", "", "服务热情！环境也不错"]
    path.write_text(
        "".join(f"{n},{text}\n" for n, text in zip("abcd", rows, strict=True)).join(["id,text\n", ""]), "utf-8"
    )
    return path
