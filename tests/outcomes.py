"""What commands print, read again."""

import csv
import io
import json
import subprocess

from tests import terminals


def json_rows(output: bytes) -> list:
    """Lines of JSON."""
    return [json.loads(line) for line in output.decode().splitlines()]


def csv_rows(output: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    """A table by its header."""
    return list(csv.DictReader(io.StringIO(output.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def one_sentence(done: subprocess.CompletedProcess, code: int) -> str:
    """An error as promised: its exit code, one line on stderr, nothing on stdout."""
    assert done.returncode == code, done.stderr.decode()
    assert done.stdout == b""
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.count(b"\n") == 1
    return done.stderr.decode()


def on_a_terminal(command: list, environment: dict[str, str]) -> bytes:
    """What a command writes to a terminal."""
    code, output = terminals.on_a_terminal(command, environment)
    assert code == 0
    return output
