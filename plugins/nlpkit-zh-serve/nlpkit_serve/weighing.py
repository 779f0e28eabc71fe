"""A workbook opened in a process of its own, which may take only so much memory.

What reads workbooks makes room for every cell up to the last one: 1,400 bytes that name the cell XFD1048576 ask for
512 GiB, and end the process that has asked.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WORKBOOKS = (b"PK", b"\xd0\xcf\x11\xe0")  # what they begin with
BASE = 256 << 20  # bytes of a process that has opened nothing


def weigh(path: Path, most: int, seconds: float) -> None:
    """See whether a workbook can be opened.

    :param most: bytes of memory that this may take.
    :raises RequestFault: if it takes more memory or time.
    """
    from nlpkit_serve.faults import RequestFault  # which the process that is begun here does without

    command = [sys.executable, "-m", "nlpkit_serve.weighing", str(path), str(BASE + most)]
    none = subprocess.DEVNULL
    try:
        code = subprocess.run(command, timeout=seconds, check=False, stdin=none, stdout=none, stderr=none).returncode
    except subprocess.TimeoutExpired:
        raise RequestFault(504, f"the workbook was not opened within {seconds:g} seconds: send fewer rows") from None
    if code:
        raise RequestFault(
            413, "the workbook takes too much memory, as one with a cell far from all others does: send it as CSV"
        )


def main(path: str, most: int) -> None:
    """Open all sheets of a workbook at once; what is damaged is said better by who reads it."""
    _limit(most)
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ModuleNotFoundError:  # who reads it says what to install
        return
    try:
        with Path(path).open("rb") as stream:
            workbook = CalamineWorkbook.from_filelike(stream)
            _ = [workbook.get_sheet_by_name(name) for name in workbook.sheet_names]
    except (CalamineError, OSError):
        return


def _limit(most: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
