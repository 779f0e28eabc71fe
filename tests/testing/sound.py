"""A plugin that keeps every promise: something of each kind, as small as can be."""

from nlpkit import hookimpl
from nlpkit.plugins.options import Size


class Runs:
    """Runs of characters, of which some words are kept whole."""

    def __init__(self, size, kept):
        self.config, self.files = {"size": size}, {"kept.txt": kept}
        self._kept = kept.decode().split()

    def tokenize(self, text):
        size, text = self.config["size"], "".join(text.split())
        runs = [text[at : at + size] for at in range(0, len(text), size)]
        return [word for word in self._kept if word in text] + runs

    def batch(self, texts):
        from nlpkit.text.vocabulary import Tokens

        return Tokens.of([self.tokenize(text) for text in texts])


class Decoder:
    def __init__(self, arrays):
        self.table, self.bias = arrays["table"], arrays["bias"]

    def logits(self, outputs):
        return outputs @ self.table.T + self.bias


class Output:
    def __init__(self, size):
        self.config = {"size": size}

    def layer(self, *, input_dim, words, inputs):
        from tests.testing.sound_layers import Layer

        return Layer(input_dim=input_dim, words=words, inputs=inputs, **self.config)

    def decoder(self, arrays):
        return Decoder(arrays)


def runs(*, size: Size = 2, kept: str | None = None, files: dict[str, bytes] | None = None):
    return Runs(size, (kept or "质量").encode() if files is None else files["kept.txt"])


def table(*, dim: Size = 8, frozen: bool = False):
    from tests.testing.sound_layers import Table

    return Table(dim=dim, frozen=frozen)


def forwards(*, input_dim: int, hidden: Size = 8):
    from tests.testing.sound_layers import Forwards

    return Forwards(input_dim=input_dim, hidden=hidden)


def words(*, size: Size = 16):
    return Output(size)


@hookimpl
def nlpkit_register_tokenizers(register):
    register("sound-runs", runs)


@hookimpl
def nlpkit_register_embeddings(register):
    register("sound-table", table)


@hookimpl
def nlpkit_register_encoders(register):
    register("sound-forwards", forwards)


@hookimpl
def nlpkit_register_outputs(register):
    register("sound-words", words)


@hookimpl
def nlpkit_register_commands(cli):
    import click

    @cli.group()
    def sound():
        """Say things."""

    @sound.command()
    def hello():
        """Say hello.

        \b
        nlpkit sound hello
        """
        click.echo("hello")
