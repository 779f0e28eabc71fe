"""The log when nobody can take it."""

import io
import sys

from nlpkit_serve.journal import Journal


class Gone(io.StringIO):
    def write(self, _line):
        raise BrokenPipeError


def test_a_log_that_nobody_takes_harms_no_answer(monkeypatch):
    Journal(out=Gone()).tell("ready")
    closed = io.StringIO()
    closed.close()
    Journal(out=closed).tell("ready")
    monkeypatch.setattr(sys, "stderr", None)
    Journal().tell("ready")
