"""The Chinese pages stand beside the English ones: the same headings, code, tables, names and figures, and sound links.

Comments in code are told in Chinese, and so is what a block ``text drawing`` or ``text protocol`` says in words.
"""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGLISH = ROOT / "docs"
CHINESE = ENGLISH / "zh"
ONLY_CHINESE = {"glossary.md"}
ONLY_ENGLISH = {
    "architecture.md",
    "compositions.md",
    "corpora.md",
    "diagnose.md",
    "index.md",
    "models.md",
    "public.md",
    "reports.md",
    "scale.md",
    "vectors.md",
}
PAGES = sorted(CHINESE.glob("*.md"))
PAIRS = [path.name for path in PAGES if path.name not in ONLY_CHINESE]
LINKED = [*sorted(ROOT.glob("*.md")), *sorted(ENGLISH.glob("*.md")), *PAGES]

BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
COMMENT = re.compile(r"(^|\s)# .*$", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
ADDRESS = re.compile(r"\]\([^)]*\)|<https?:[^>]*>")
FIGURE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def read(path):
    return path.read_text(encoding="utf-8")


def without_code(text):
    """Return a page without its blocks of code."""
    return BLOCK.sub("", text)


def cut(text):
    """Return what stands before the first heading of a page, and below each."""
    return re.split(r"^#+ .+$", without_code(text), flags=re.MULTILINE)


def told_alike(info, source):
    """Return what of a block of code is the same in both languages."""
    if info == "text drawing":
        return source.count("\n")
    if info == "text protocol":
        return [re.split(r"\s{2,}", line)[0] for line in source.splitlines() if line[:1].strip()]
    return COMMENT.sub(r"\1#", source)


def count_rows(text):
    """Return the rows and columns of each table of a page."""
    tables = re.findall(r"(?:^\|.*\|\n)+", without_code(text), re.MULTILINE)
    return [(table.count("\n"), count_cells(table.split("\n", 1)[0])) for table in tables]


def count_cells(row):
    return SPAN.sub("", row).count("|") - 1


def find_anchors(path):
    """Return what a link may name behind a page's #, as GitHub makes it of headings."""
    seen, anchors = Counter(), set()
    for _, heading in HEADING.findall(without_code(read(path))):
        slug = "".join(keep(character) for character in ADDRESS.sub("", heading).lower())
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def keep(character):
    """Return a character as it stands in an anchor: signs are left out, white space is a hyphen."""
    if character.isspace():
        return "-"
    return character if character in "-_" or unicodedata.category(character)[0] in "LNM" else ""


def test_every_page_is_in_both_languages_or_said_not_to_be():
    assert {path.name for path in PAGES} - ONLY_CHINESE == {path.name for path in ENGLISH.glob("*.md")} - ONLY_ENGLISH


@pytest.mark.parametrize("name", PAIRS)
def test_headings_are_as_deep(name):
    english, chinese = (HEADING.findall(without_code(read(folder / name))) for folder in (ENGLISH, CHINESE))
    assert [marks for marks, _ in chinese] == [marks for marks, _ in english]


@pytest.mark.parametrize("name", PAIRS)
def test_code_is_the_same_but_for_its_comments(name):
    english, chinese = (BLOCK.findall(read(folder / name)) for folder in (ENGLISH, CHINESE))
    assert [info for info, _ in chinese] == [info for info, _ in english]
    assert [told_alike(*block) for block in chinese] == [told_alike(*block) for block in english]


@pytest.mark.parametrize("name", PAIRS)
def test_tables_are_as_large(name):
    assert count_rows(read(CHINESE / name)) == count_rows(read(ENGLISH / name))


@pytest.mark.parametrize("name", PAIRS)
def test_each_section_names_the_same_in_code(name):
    for english, chinese in zip(cut(read(ENGLISH / name)), cut(read(CHINESE / name)), strict=True):
        assert {" ".join(span.split()) for span in SPAN.findall(chinese)} == {
            " ".join(span.split()) for span in SPAN.findall(english)
        }


@pytest.mark.parametrize("name", PAIRS)
def test_each_section_has_the_figures_of_the_english(name):
    for english, chinese in zip(cut(read(ENGLISH / name)), cut(read(CHINESE / name)), strict=True):
        wanted, found = (set(FIGURE.findall(ADDRESS.sub("", text))) for text in (english, chinese))
        assert wanted - found == set()


@pytest.mark.parametrize("name", PAIRS)
def test_each_language_leads_to_the_other(name):
    assert f"](zh/{name})" in read(ENGLISH / name).split("\n\n")[1]
    assert f"](../{name})" in read(CHINESE / name).split("\n\n")[1]


@pytest.mark.parametrize("path", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_a_page_and_a_heading_of_it(path):
    for target, anchor in LINK.findall(without_code(read(path))):
        page = (path.parent / target).resolve() if target else path
        assert page.exists(), target
        assert not anchor or anchor in find_anchors(page), f"{target}#{anchor}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_of_a_chinese_page_lead_to_chinese_pages(path):
    body = without_code(read(path)).split("\n\n", 2)[2]
    english = {target.removeprefix("../") for target, _ in LINK.findall(body) if target.startswith("../")}
    assert english & {page.name for page in PAGES} == set()


def test_the_chinese_readme_leads_to_chinese_pages():
    english = {target.removeprefix("docs/") for target, _ in LINK.findall(without_code(read(ROOT / "README.zh.md")))}
    assert english & {page.name for page in PAGES} == set()


def test_the_index_leads_to_every_chinese_page():
    index = read(ENGLISH / "index.md")
    assert [page.name for page in PAGES if f"](zh/{page.name})" not in index] == []


def read_terms():
    """Return the Chinese terms of the glossary."""
    rows = re.findall(r"^\| (.+?) \| .+? \| .+ \|$", read(CHINESE / "glossary.md"), re.MULTILINE)
    return [term for cell in rows for term in cell.split("、") if term != "中文"]


def test_no_term_of_the_glossary_is_there_twice():
    assert [term for term, times in Counter(read_terms()).items() if times > 1] == []


def test_every_term_of_the_glossary_is_used():
    pages = "".join(read(CHINESE / name) for name in PAIRS) + read(ROOT / "README.zh.md")
    assert [term for term in read_terms() if term not in pages] == []
