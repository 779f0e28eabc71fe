"""A stranger's plugin whose components are broken, each in its own way; the tests install it as ``zh_broken``.

Each is sound but for what its name says: ``sound_…`` keeps every promise.
"""
# ruff: noqa: ARG001, ARG002, ARG005 - written as strangers write: protocols in full

import atexit
import itertools
import json
import locale
import os
import sys
import threading
import time
from pathlib import Path

from nlpkit.plugins.options import Size

HARD = "差"  # a character that some cannot stand


class Pieces:
    def __init__(self, **config):
        self.config, self.files = config, {}

    def tokenize(self, text):
        return list(text)


def _make(break_it, hard=HARD):
    """A tokenizer that does something on texts with a character, and what it returns of these."""

    class Breaking(Pieces):
        def tokenize(self, text):
            return break_it(text) if hard in text else list(text)

    def factory():
        return Breaking()

    return factory


def _raise(text):
    raise ValueError(f"no\nluck with {text[:3]}")


def _raise_colours(text):
    raise ValueError("\x1b[31mno")


class Mute(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("not even that")


def _raise_mutely(text):
    raise Mute


def _print_at_exit(text):
    atexit.register(print, "goodbye")
    return list(text)


def _close_stdin(text):
    os.close(0)
    return list(text)


def _chdir(text):
    os.chdir("/")
    return list(text)


def _set_locale(text):
    locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C")
    return list(text)


def _replace_json(text):
    json.dumps = str
    return list(text)


def _print(text):
    print("hello from Python")
    return list(text)


def _print_from_c(text):
    os.write(1, b"hello from C\n")
    return list(text)


def _close_stdout(text):
    os.close(1)
    return list(text)


def _close_stderr(text):
    os.close(2)
    return list(text)


def _leave_thread(text):
    if not any(thread.name == "endless" for thread in threading.enumerate()):
        threading.Thread(target=time.sleep, args=[60], name="endless").start()
    return list(text)


sound_pieces = _make(list)
t_raises = _make(_raise)
t_raises_colours = _make(_raise_colours)
t_raises_mutely = _make(_raise_mutely)
t_exits = _make(lambda text: sys.exit(3))
t_leaves = _make(lambda text: os._exit(3))
t_none = _make(lambda text: None)
t_generator = _make(lambda text: (character for character in text))
t_string = _make(str)
t_numbers = _make(lambda text: [ord(character) for character in text])
t_empty_token = _make(lambda text: [*text, ""])
t_no_tokens = _make(lambda text: [])
t_prints = _make(_print)
t_prints_from_c = _make(_print_from_c)
t_prints_at_exit = _make(_print_at_exit)
t_closes_stdin = _make(_close_stdin)
t_closes_stdout = _make(_close_stdout)
t_closes_stderr = _make(_close_stderr)
t_chdir = _make(_chdir)
t_locale = _make(_set_locale)
t_json = _make(_replace_json)
t_thread = _make(_leave_thread)
_COUNT = itertools.count()
t_state = _make(lambda text: [*text, str(next(_COUNT))])


class BadBatch(Pieces):
    def batch(self, texts):
        return [self.tokenize(text) for text in texts]


def t_batch():
    return BadBatch()


def t_config_path(*, words: str = "x"):
    return Pieces(words=Path(words))


def t_config_absolute(*, words: str = "/usr"):
    return Pieces(words=words)


def t_config_odd(*, size: Size = 2):
    return Pieces(size={size})


def t_slots():
    class Slotted:
        __slots__ = ("config", "files")

        def __init__(self):
            self.config, self.files = {}, {}

        def tokenize(self, text):
            return list(text)

    return Slotted()


def _embedding(**methods):
    """An embedding, sound but for some methods; each gets the sound one before its arguments."""

    def factory(*, dim: Size = 8):
        import torch
        from torch import nn

        from nlpkit.text.vocabulary import TableVocabulary

        class Table(nn.Module):
            def __init__(self):
                super().__init__()
                self.config, self.dim = {"dim": dim}, dim

            def fit(self, documents, labels):
                vocabulary = TableVocabulary.count(documents, min_count=1, max_size=1000)
                self.build(vocabulary)
                return vocabulary

            def build(self, vocabulary):
                self.table = nn.Embedding(len(vocabulary), dim, padding_idx=0)

            def forward(self, ids, mask):
                return self.table(ids)

        for name, method in methods.items():
            own = getattr(Table, name)
            setattr(Table, name, lambda self, *given, own=own, method=method: method(torch, own, self, *given))
        return Table()

    return factory


def _wide(torch, forward, self, ids, mask):
    return torch.cat([forward(self, ids, mask)] * 2, 2)


def _raise_in_torch(torch, *given):
    raise RuntimeError("no vectors today")


def _set_dtype(torch, forward, self, *given):
    torch.set_default_dtype(torch.float64)
    return forward(self, *given)


def _set_device(torch, fit, self, *given):
    vocabulary = fit(self, *given)
    torch.set_default_device("meta")
    return vocabulary


def _print_in_torch(torch, forward, self, *given):
    print("reading")
    return forward(self, *given)


def _count_calls(torch, forward, self, *given):
    self.calls = getattr(self, "calls", 0) + 1
    return forward(self, *given) + self.calls


sound_table = _embedding()
e_fit_raises = _embedding(fit=_raise_in_torch)
e_fit_none = _embedding(fit=lambda torch, fit, self, *given: fit(self, *given) and None)
e_raises = _embedding(forward=_raise_in_torch)
e_none = _embedding(forward=lambda *given: None)
e_float64 = _embedding(forward=lambda torch, forward, self, *given: forward(self, *given).double())
e_width = _embedding(forward=_wide)
e_state = _embedding(forward=_count_calls)
e_dtype = _embedding(fit=_set_dtype)
e_device = _embedding(fit=_set_device)
e_prints = _embedding(fit=_print_in_torch)


def e_config_path(*, dim: Size = 8, file: str = "x"):
    table = sound_table(dim=dim)
    table.config = {"dim": dim, "file": Path(file)}
    return table


def _encoder(forward=None, *, make=None, backwards=False):
    """An encoder, sound but for its ``forward``, which gets the sound one's states."""

    def factory(*, input_dim: int, hidden: Size = 8):
        import torch
        from torch import nn

        class Forwards(nn.Module):
            causal = True

            def __init__(self):
                super().__init__()
                self.config, self.output_dim = {"hidden": hidden}, hidden
                self.layer = nn.GRU(input_dim, hidden, batch_first=True)

            def forward(self, vectors, mask, state=None):
                if backwards:
                    states, state = self.layer(vectors.flip(1))
                    return states.flip(1), None
                states, state = self.layer(vectors, state)
                return (states, state) if forward is None else forward(torch, self, states, state)

        if make:
            make(torch)
        return Forwards()

    return factory


sound_forwards = _encoder()
n_raises = _encoder(_raise_in_torch)
n_none = _encoder(lambda *given: None)
n_states_alone = _encoder(lambda torch, self, states, state: states)
n_float64 = _encoder(lambda torch, self, states, state: (states.double(), state))
n_width = _encoder(lambda torch, self, states, state: (torch.cat([states] * 2, 2), state))
n_nan = _encoder(lambda torch, self, states, state: (states / 0, state))
n_state = _encoder(lambda torch, self, states, state: (_count_calls(torch, lambda *_: states, self), state))
n_causal = _encoder(backwards=True)
n_dtype = _encoder(make=lambda torch: torch.set_default_dtype(torch.float64))
n_threads = _encoder(make=lambda torch: torch.set_num_threads(torch.get_num_threads() + 1))
n_no_gradients = _encoder(make=lambda torch: torch.set_grad_enabled(False))


class Decoder:
    def __init__(self, arrays):
        self.table, self.bias = arrays["table"], arrays["bias"]

    def logits(self, outputs):
        return outputs @ self.table.T + self.bias


def _output(*, decoder=Decoder, layer=None):
    """An output embedding, sound but for its decoder or its layer."""

    class Output:
        def __init__(self):
            self.config = {}

        def layer(self, *, input_dim, words, inputs):
            from tests.testing.sound_layers import Layer

            made = Layer(input_dim=input_dim, words=words, inputs=inputs, size=16)
            return made if layer is None else layer(made)

        def decoder(self, arrays):
            return decoder(arrays)

    def factory():
        return Output()

    return factory


def _double(layer):
    own = layer.forward
    layer.forward = lambda features: own(features).double()
    return layer


def _give_up(outputs):
    raise RuntimeError("no logits today")


class Lost:
    logits = None

    def __init__(self, arrays):
        """Keep nothing."""


class Bare:
    """A decoder that reads whatever arrays there are."""

    def __init__(self, break_it):
        self.logits = break_it


def _decode(break_it):
    return _output(decoder=lambda arrays: Bare(break_it))


sound_words = _output()
o_raises = _decode(_give_up)
o_none = _decode(lambda outputs: None)
o_width = _decode(lambda outputs: outputs[:, :1])
o_no_decoder = _output(decoder=Lost)
o_decoder_raises = _output(decoder=lambda arrays: _give_up(None))
o_float64 = _output(layer=_double)
