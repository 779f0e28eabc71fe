"""Output that a run which is stopped leaves behind, and another goes on with: to the same file, byte for byte.

What is written stands in ``NAME.partial``, and how far it has come in ``NAME.partial.json``: that is written after the
lines are on the disk, so that no crash can make it say too much.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from nlpkit.commands.printing import say
from nlpkit.errors import DataError
from nlpkit.files import growing, replace_file, sync

EVERY = 2.0  # seconds between two states that are kept


@dataclass
class State:
    """How far a run has come: so many blocks are answered, with so many rows; their lines have so many bytes.

    :param tally: what was counted of them.
    :param asked: of what: files, model, options. Only a run that asks the same can go on.
    """

    asked: Mapping[str, Any]
    blocks: int = 0
    rows: int = 0
    size: int = 0
    tally: Mapping[str, Any] = field(default_factory=dict)


class Part:
    """What is written of an output so far.

    :param state: where it goes on.
    """

    def __init__(self, stream: IO[bytes], journal: Path, state: State) -> None:
        self._stream, self._journal, self.state = stream, journal, state
        self._kept = time.monotonic()

    def write(self, lines: bytes) -> int:
        """Write lines behind the last."""
        self.state.size += len(lines)
        return self._stream.write(lines)

    def is_due(self) -> bool:
        """Tell whether it is time to keep a state."""
        return time.monotonic() - self._kept > EVERY

    def keep(self, *, blocks: int, rows: int, tally: Mapping[str, Any]) -> None:
        """Keep how far it has come."""
        sync(self._stream)
        self.state.blocks, self.state.rows, self.state.tally = blocks, rows, tally
        replace_file(self._journal, _to_json(self.state))
        self._kept = time.monotonic()

    def flush(self) -> None:
        """Let others read what is there."""
        self._stream.flush()


@contextlib.contextmanager
def open_part(output: Path, asked: Mapping[str, Any], *, force: bool, resume: bool) -> Iterator[Part]:
    """Yield what is written of a file, from the beginning or from where an earlier run was stopped.

    When all went well it takes the name of the file. Where the run is stopped, what is kept stays.

    :raises DataError: if an earlier run has left something and it is not said whether to go on; if that run asked
        something else; if another run writes it now; or if there is such a file.
    """
    target = Path(os.path.realpath(output))
    partial, journal = _beside(target)
    state = State(asked)
    _check_whose(partial, journal, force=force)
    with growing(target, partial, force=force) as stream:
        earlier = _read(journal)
        if earlier and not (resume or force):
            raise DataError(
                "{partial} holds {rows:,} rows of a run that was stopped: --resume goes on, --force begins anew",
                partial=partial,
                rows=earlier.rows,
            )
        if earlier and resume:
            _check(earlier, state, partial, os.fstat(stream.fileno()).st_size)
            state = earlier
        os.truncate(partial, state.size)
        stream.seek(state.size)
        if not state.size:
            journal.write_bytes(_to_json(state))  # before anything stands in the other: by it that is known for ours
        part = Part(stream, journal, state)
        try:
            yield part
        except BaseException:  # a full disk, or workers that were killed, may come after hours
            if state.rows:
                say(
                    "{rows:,} rows are kept in {partial}: the same command with --resume goes on",
                    rows=state.rows,
                    partial=partial,
                )
            else:
                with contextlib.suppress(PermissionError):  # Windows removes no open file; the next run begins it anew
                    partial.unlink()
                    journal.unlink()
            raise
    journal.unlink(missing_ok=True)


def _check_whose(partial: Path, journal: Path, *, force: bool) -> None:
    """Refuse a file that is called as ours would be, and that no run of ours has begun."""
    if not force and partial.exists() and partial.stat().st_size and not journal.exists():
        raise DataError(
            "{partial} is there, and no run has left it: move it away, or --force begins it anew", partial=partial
        )


def _to_json(state: State) -> bytes:
    return json.dumps(asdict(state)).encode()  # ASCII: names of files may be no UTF-8


def _beside(target: Path) -> tuple[Path, Path]:
    return target.with_name(f"{target.name}.partial"), target.with_name(f"{target.name}.partial.json")


def _read(journal: Path) -> State | None:
    """Return how far an earlier run has come; None if there is none of which anything is kept."""
    try:
        state = State(**json.loads(journal.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return state if state.rows else None


def _check(earlier: State, now: State, partial: Path, size: int) -> None:
    """Refuse to go on with what another question has brought."""
    odd = [name for name in earlier.asked.keys() | now.asked.keys() if earlier.asked.get(name) != now.asked.get(name)]
    if odd:
        raise DataError(
            "{partial} was begun with other {what}: --force without --resume begins anew",
            partial=partial,
            what=", ".join(sorted(odd)),
        )
    if size < earlier.size:
        raise DataError("{partial} is shorter than it was: --force without --resume begins anew", partial=partial)
