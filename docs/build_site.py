"""Make a site of the documentation, in both languages, that is read from a folder or a stick as well as from a server.

`python docs/build_site.py FOLDER` wants Sphinx, furo, myst-parser and jieba, by which Chinese is searched. It fails
where a link leads nowhere. The site asks no other host, and its search works without a server.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = "README.md"
SECTIONS = {
    "English": ("docs/index.md", "docs/*.md"),
    "中文": ("README.zh.md", "docs/zh/*.md"),
    "Plugins": ("plugins/*/README.md",),
    "The project": ("CONTRIBUTING.md", "CHANGELOG.md"),
}
CHINESE = ("README.zh", "docs/zh/")  # how the addresses of Chinese pages begin
FENCE = re.compile(r"^(\s*```\w+) .*$", re.MULTILINE)  # what stands behind the language of code is for our tests
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]+)")
OUTSIDE = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^>]+>", re.IGNORECASE
)
SETTINGS = {
    "project": "nlpkit",
    "extensions": ["myst_parser"],
    "exclude_patterns": ["conf.py"],
    "myst_heading_anchors": 4,  # as on a forge, so that links fit both
    "root_doc": FIRST.removesuffix(".md"),
    "suppress_warnings": ["misc.highlighting_failure"],  # of JSON Lines, say
    "html_theme": "furo",
    "html_title": "nlpkit",
    "html_copy_source": False,
    "html_show_sphinx": False,
    "html_show_copyright": False,
}


def find(*patterns: str) -> list[Path]:
    """List the pages that patterns name, each once."""
    return list(dict.fromkeys(path for pattern in patterns for path in sorted(ROOT.glob(pattern))))


def make_contents() -> str:
    """Return the tables of contents, which stand at the side of every page."""
    lines = []
    for section, patterns in SECTIONS.items():
        pages = [page.relative_to(ROOT).with_suffix("").as_posix() for page in find(*patterns)]
        lines += ["", "```{toctree}", ":hidden:", f":caption: {section}", "", *pages, "```"]
    return "\n".join([*lines, ""])


def copy_pages(folder: Path) -> None:
    """Copy all pages, and whatever else they lead to, to where that is in the repository."""
    for page in find(FIRST, *(pattern for patterns in SECTIONS.values() for pattern in patterns)):
        text = page.read_text(encoding="utf-8")
        target = folder / page.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        more = make_contents() if page == ROOT / FIRST else ""
        target.write_text(FENCE.sub(r"\1", text) + more, encoding="utf-8")
        for link in LINK.findall(text):
            shown = Path(os.path.normpath(page.parent / link))
            if shown.suffix != ".md" and shown.is_file() and shown.is_relative_to(ROOT):
                (folder / shown.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(shown, folder / shown.relative_to(ROOT))


def build(pages: Path, site: Path, language: str) -> None:
    """Let Sphinx make a site whose own words, and whose search, are of a language; a warning ends it."""
    told = SETTINGS | {"language": language}
    (pages / "conf.py").write_text("\n".join(f"{name} = {value!r}" for name, value in told.items()), encoding="utf-8")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(pages.parent / "doctrees")]
    subprocess.run([*sphinx, "-b", "html", str(pages), str(site)], check=True)


def finish(site: Path) -> int:
    """Say which pages are English, refuse what a browser would load from elsewhere, and count the pages.

    :raises SystemExit: naming it.
    """
    pages = list(site.rglob("*.html"))
    for page in pages:
        text, name = page.read_text(encoding="utf-8"), page.relative_to(site).as_posix()
        if found := OUTSIDE.search(text):
            sys.exit(f"{name} loads what is elsewhere: {found[0]}")
        if not name.startswith(CHINESE):
            page.write_text(re.sub(r'(<html[^>]*) lang="[^"]*"', r'\1 lang="en"', text, count=1), encoding="utf-8")
    shutil.copyfile(site / FIRST.replace(".md", ".html"), site / "index.html")
    return len(pages)


def main(argv: Sequence[str] | None = None) -> None:
    """Make the site."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1:
        sys.exit(__doc__)
    site = Path(arguments[0]).absolute()
    with tempfile.TemporaryDirectory() as scratch:
        copy_pages(Path(scratch, "pages"))
        build(Path(scratch, "pages"), site, "zh_CN")
    print(f"{finish(site)} pages: {site / 'index.html'}")


if __name__ == "__main__":
    main()
