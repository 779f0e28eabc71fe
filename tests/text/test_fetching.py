import errno
import hashlib
import io
import json
import os
import re
import tarfile
import threading
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nlpkit.errors import DataError, DataWarning
from nlpkit.text.catalogue import read_entry
from nlpkit.text.fetching import BLOCK, Download, fetch, fetch_corpus, sha256_of

DATA = b"".join(b"%d" % (i * i) for i in range(120_000))  # three blocks or so
OTHER = DATA[::-1]


class Site:
    """A server on this machine that can be told to misbehave; it remembers what it was asked and what it sent."""

    def __init__(self) -> None:
        self.data, self.etag, self.modified = DATA, '"one"', ""
        self.ranges = True  # whether it knows Range
        self.breaks: list[int] = []  # bytes after which the next answers end
        self.status: list[int] = []  # of the next answers
        self.go_on: threading.Event | None = None  # to wait for before an answer that breaks ends
        self.kind = "application/octet-stream"
        self.asked: list[dict[str, str]] = []
        self.sent: list[int] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/a%20b/reviews.csv"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(dict(request.headers))
        status = self.status.pop(0) if self.status else 200
        if status != 200:
            request.send_error(status)
            return
        body, start = self.data, 0
        wanted = re.match(r"bytes=(\d+)-", request.headers.get("Range") or "")
        if wanted and self.ranges and request.headers.get("If-Range") in (self.etag, self.modified):
            start = int(wanted[1])
            if start >= len(body):
                request.send_error(416)
                return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        for name, value in (("ETag", self.etag), ("Last-Modified", self.modified), ("Content-Type", self.kind)):
            if value:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        breaks = bool(self.breaks)
        body = body[start:][: self.breaks.pop(0)] if breaks else body[start:]
        self.sent.append(len(body))
        with suppress(BrokenPipeError, ConnectionResetError):  # of one who has had enough
            request.wfile.write(body)
        if breaks and self.go_on:
            self.go_on.wait(30)


@pytest.fixture
def site(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "kept" / "reviews.csv"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def get(site, target, **expected) -> str:
    return fetch(Download(site.url, target, **expected), pause=0)


def kept(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_is_fetched_whole(site, target):
    seen = []
    found = fetch(
        Download(site.url, target, size=len(DATA), sha256=digest(DATA)), progress=lambda *at: seen.append(at), pause=0
    )
    assert found == digest(DATA) == sha256_of(target)
    assert target.read_bytes() == DATA
    assert kept(target) == ["reviews.csv"]
    assert seen[-1] == (len(DATA), len(DATA))
    assert [so_far for so_far, _ in seen] == sorted(so_far for so_far, _ in seen)
    assert site.asked[0]["User-Agent"].startswith("nlpkit/")
    assert "Range" not in site.asked[0]


@pytest.mark.parametrize(("etag", "modified"), [('"one"', ""), ("", "Wed, 01 May 2019 10:00:00 GMT"), ('W/"x"', "y")])
def test_a_broken_connection_is_taken_up_where_it_ended(site, target, etag, modified):
    site.etag, site.modified, site.breaks = etag, modified, [BLOCK + 5, 10]
    get(site, target)
    assert target.read_bytes() == DATA
    assert [asked.get("Range") for asked in site.asked] == [None, f"bytes={BLOCK + 5}-", f"bytes={BLOCK + 15}-"]
    assert {asked["If-Range"] for asked in site.asked[1:]} == {modified if etag.startswith("W/") else etag or modified}
    assert sum(site.sent) == len(DATA)  # no byte came twice


def test_an_interrupted_fetch_is_taken_up_by_the_next(site, target):
    def interrupt(so_far, _):
        if so_far >= 2 * BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(Download(site.url, target), progress=interrupt)
    assert kept(target) == ["reviews.csv.part", "reviews.csv.part.json"]
    get(site, target)
    assert target.read_bytes() == DATA
    assert site.asked[1]["Range"] == f"bytes={2 * BLOCK}-"
    assert site.sent[1] == len(DATA) - 2 * BLOCK


def test_a_file_that_changed_in_between_is_fetched_anew(site, target):
    site.breaks = [BLOCK]
    site.status = [200, 503, 503, 503]
    with pytest.raises(DataError, match=rf"broke 4 times \(503 .*fetch again, and it goes on at byte {BLOCK:,}"):
        get(site, target)
    site.data, site.etag = OTHER, '"two"'
    get(site, target)
    assert (site.asked[-1]["Range"], site.asked[-1]["If-Range"]) == (f"bytes={BLOCK}-", '"one"')
    assert target.read_bytes() == OTHER


@pytest.mark.parametrize("setting", [{"ranges": False}, {"etag": ""}, {"etag": 'W/"weak"'}])
def test_a_server_that_cannot_resume_sends_it_anew(site, target, setting):
    for name, value in setting.items():
        setattr(site, name, value)
    site.breaks = [BLOCK]
    get(site, target, sha256=digest(DATA))
    assert target.read_bytes() == DATA
    assert site.sent == [BLOCK, len(DATA)]


def test_a_part_that_is_longer_than_the_file_is_no_part_of_it(site, target):
    site.breaks = [BLOCK] * 4
    with pytest.raises(DataError, match="broke 4 times"):
        get(site, target)
    site.data = DATA[:BLOCK]
    get(site, target)
    assert target.read_bytes() == DATA[:BLOCK]


@pytest.mark.parametrize("kept_note", [b"", b"[]", b'{"url": "http://elsewhere/", "validator": "x"}', b"\xff"])
def test_a_part_of_unknown_origin_is_not_taken_up(site, target, kept_note):
    target.parent.mkdir()
    target.with_name("reviews.csv.part").write_bytes(b"junk")
    target.with_name("reviews.csv.part.json").write_bytes(kept_note)
    get(site, target)
    assert "Range" not in site.asked[0]
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [({"sha256": "0" * 64}, f"has the checksum {digest(DATA)}, expected 000"), ({"size": 5}, "bytes, expected 5: it")],
)
def test_a_wrong_file_is_thrown_away(site, target, expected, sentence):
    with pytest.raises(DataError, match=sentence) as raised:
        get(site, target, **expected)
    assert "thrown away" in str(raised.value)
    assert kept(target) == []


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (410, 1), (503, 4), (429, 4)])
def test_a_refusal_is_one_sentence(site, target, status, asked):
    site.status = [status] * 4
    with pytest.raises(DataError, match=str(status)):
        get(site, target)
    assert len(site.asked) == asked


def test_a_web_page_is_no_corpus(site, target):
    site.kind = "text/html; charset=utf-8"
    with pytest.raises(DataError, match="answers with a web page where a file was expected"):
        get(site, target)


def test_without_a_connection_the_sentence_says_where_the_file_goes(site, target):
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(DataError, match=r"cannot be reached \(connection refused\).* put it at .*reviews.csv"):
        get(site, target)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://127.0.0.1/x", "x"])
def test_only_the_web_is_fetched_from(target, url):
    with pytest.raises(DataError, match="expected an address in http or https"):
        fetch(Download(url, target))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_one_sentence(site, target):
    class Full(Download):
        part = Path("/dev/full")

    with pytest.raises(DataError, match=r"kept is full \(.* MB are free\): make room") as raised:
        fetch(Full(site.url, target))
    assert raised.value.__cause__.errno == errno.ENOSPC


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_a_link_in_the_place_of_the_part_is_not_followed(site, target, tmp_path):
    target.parent.mkdir()
    (tmp_path / "precious").write_bytes(b"precious")
    target.with_name("reviews.csv.part").symlink_to(tmp_path / "precious")
    with pytest.raises(DataError, match="kept cannot be written"):
        get(site, target)
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="POSIX")
def test_a_place_that_cannot_be_written_is_one_sentence(site, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file cannot be written: .*; set NLPKIT_CACHE to a folder that can"):
        get(site, tmp_path / "file" / "a.csv")


@pytest.fixture
def entry(site, tmp_path, monkeypatch):
    """An entry of one's own, whose file the site has."""
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))

    def make(more: str = "", url: str = ""):
        path = tmp_path / "ours.toml"
        path.write_text(f'title = "ours"\n[[files]]\nurl = "{url or site.url}"\n{more}\n', encoding="utf-8")
        return read_entry(path, own=True)

    return make


def test_what_is_seen_first_is_expected_from_then_on(site, entry):
    ours = entry()
    assert f"fetched, {len(DATA) / 1e6:.1f} MB, checksum {digest(DATA)}, which is" in fetch_corpus(ours)[0]
    assert json.loads((ours.folder / "seen.json").read_bytes()) == {"reviews.csv": digest(DATA)}
    assert "there already" in fetch_corpus(ours)[0]
    assert len(site.asked) == 1
    site.data = OTHER
    with pytest.raises(DataError, match=r"thrown away.*; to trust the new one, remove .*seen.json"):
        fetch_corpus(ours, force=True)
    assert (ours.folder / "reviews.csv").read_bytes() == DATA
    (ours.folder / "reviews.csv").write_bytes(OTHER)
    with pytest.raises(DataError, match=r"has the checksum .* expected .*: fetch it anew by --force"):
        fetch_corpus(ours)
    (ours.folder / "seen.json").unlink()
    fetch_corpus(ours, force=True)
    assert (ours.folder / "reviews.csv").read_bytes() == OTHER


def test_a_checksum_of_the_entry_is_expected_at_once(site, entry):
    assert fetch_corpus(entry(f'sha256 = "{digest(DATA)}"'))[0].endswith("the expected checksum")
    with pytest.raises(DataError, match="fetch it anew by --force"):
        fetch_corpus(entry(f'sha256 = "{digest(OTHER)}"'))
    assert len(site.asked) == 1


def packed(kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data/a.csv", "text,label\n好,1\n")
            archive.writestr("b.csv", DATA)
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for name, data in (("data/a.csv", "text,label\n好,1\n".encode()), ("b.csv", DATA)):
                made = tarfile.TarInfo(name)
                made.size = len(data)
                archive.addfile(made, io.BytesIO(data))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_members_of_an_archive_are_unpacked(site, entry, kind):
    site.data = packed(kind)
    url = site.url.replace("reviews.csv", f"all.{kind}")
    ours = entry('members = ["data/a.csv", "b.csv"]', url)
    fetch_corpus(ours)
    assert [path.name for path, _ in ours.sources] == ["a.csv", "b.csv"]
    assert (ours.folder / "a.csv").read_text(encoding="utf-8") == "text,label\n好,1\n"
    assert (ours.folder / "b.csv").read_bytes() == DATA
    with pytest.raises(DataError, match=rf"all.{kind} holds no nope.csv"):
        fetch_corpus(entry('members = ["nope.csv"]', url))


@pytest.mark.parametrize("cut", [10, -40, None])
def test_what_is_no_archive_is_one_sentence(site, entry, cut):
    site.data = packed("tar.gz")[:cut] if cut else DATA
    with pytest.raises(DataError, match=r"cannot be unpacked \(.*expected a zip or tar archive"):
        fetch_corpus(entry('members = ["b.csv"]'))


def test_two_fetches_at_once_download_once(site, entry):
    ours, said = entry(), []
    threads = [threading.Thread(target=lambda: said.extend(fetch_corpus(ours))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(site.asked) == 1
    assert sorted("there already" in sentence for sentence in said) == [False, True, True, True]
    assert (ours.folder / "reviews.csv").read_bytes() == DATA


def test_what_no_program_can_fetch_is_put_there_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "ours.toml"
    path.write_text('title = "ours"\n[[files]]\npage = "https://example.org/x"\nname = "a.csv"\n', encoding="utf-8")
    ours = read_entry(path)
    with pytest.raises(DataError, match=r"download it from https://example.org/x to .*a.csv$"):
        fetch_corpus(ours)
    (ours.folder / "a.csv").write_bytes(DATA)
    assert "there already" in fetch_corpus(ours, force=True)[0]
    (ours.folder / "a.csv").write_bytes(OTHER)
    with pytest.raises(DataError, match=r"download it again from https://example.org/x"):
        fetch_corpus(ours)


def test_a_mirror_is_asked_first_and_the_source_where_it_has_nothing(site, entry):
    root = site.url.partition("/a%20b")[0]
    ours = entry(url="http://127.0.0.1:9/reviews.csv")  # nobody listens there
    assert f"fetched from {root}/http://127.0.0.1:9/reviews.csv" in fetch_corpus(ours, mirrors=[root + "/"])[0]
    site.status = [404]
    theirs = entry()
    with pytest.warns(DataWarning, match="answers 404 .*the next address is asked"):
        assert "fetched, " in fetch_corpus(theirs, force=True, mirrors=[root + "/?file={url}"])[0]


def test_an_entry_may_have_several_addresses(site, entry):
    ours = entry(f'mirrors = ["{site.url}"]', "http://127.0.0.1:9/b.csv")
    with pytest.warns(DataWarning, match="cannot be reached"):
        fetch_corpus(ours)
    assert (ours.folder / "b.csv").read_bytes() == DATA


def test_a_mirror_is_trusted_no_further_than_the_source(site, entry):
    ours = entry(f'sha256 = "{digest(OTHER)}"')
    with pytest.warns(DataWarning, match="thrown away"), pytest.raises(DataError, match="thrown away"):
        fetch_corpus(ours, mirrors=[site.url.partition("/a%20b")[0]])
    assert not (ours.folder / "reviews.csv").exists()


def test_a_file_that_was_brought_is_checked_and_taken(site, entry, tmp_path):
    stick = tmp_path / "from a stick.csv"
    stick.write_bytes(DATA)
    ours = entry(f'sha256 = "{digest(DATA)}"')
    assert "taken, " in fetch_corpus(ours, brought=[stick])[0]
    assert (ours.folder / "reviews.csv").read_bytes() == DATA
    stick.write_bytes(OTHER)
    with pytest.raises(DataError, match="it is another file, or another version"):
        fetch_corpus(ours, brought=[stick])
    assert (ours.folder / "reviews.csv").read_bytes() == DATA
    with pytest.raises(DataError, match=r"is no file of ours: expected reviews\.csv"):
        fetch_corpus(ours, brought=[stick, stick])
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read: no such file"):
        fetch_corpus(ours, brought=[tmp_path / "nowhere.csv"])
    assert not site.asked


def test_an_archive_that_was_brought_is_unpacked(site, entry, tmp_path):
    (tmp_path / "all.zip").write_bytes(packed("zip"))
    ours = entry('members = ["data/a.csv", "b.csv"]', site.url.replace("reviews.csv", "all.zip"))
    fetch_corpus(ours, brought=[tmp_path / "all.zip"])
    assert (ours.folder / "b.csv").read_bytes() == DATA


def test_a_file_of_another_size_is_not_taken(entry, tmp_path):
    (tmp_path / "stick.csv").write_bytes(DATA[:-1])
    with pytest.raises(DataError, match=r"stick\.csv has [\d,]+ bytes, expected [\d,]+: it is another file"):
        fetch_corpus(entry(f"size = {len(DATA)}"), brought=[tmp_path / "stick.csv"])
