"""The files of the page as they stand: all are there, none asks another host, all is said in both languages."""

import re

import pytest

pytest.importorskip("starlette")
page_files = pytest.importorskip("nlpkit_serve.page_files")
PAGE = {address: content.decode() for address, (content, _) in page_files.PAGE.items()}
SCRIPTS = {address: text for address, text in PAGE.items() if address.endswith(".js")}
MARKUP = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function"
OF_OURS = ("option-", "key-")  # of options and answers that say themselves what they are, in English


def wordings(name):
    (block,) = re.findall(rf"^const {name} = \{{\n(.*?)^\}};", PAGE["/wording.js"], re.MULTILINE | re.DOTALL)
    return set(re.findall(r'^  "?([\w-]+)"?: ', block, re.MULTILINE))


def test_all_files_are_there():
    named = set(re.findall(r'(?:href|src)="([\w.]+)"', PAGE["/"])) - {"openapi.json"}
    named |= {name for text in SCRIPTS.values() for name in re.findall(r'from "\./([\w.]+)"', text)}
    assert {f"/{name}" for name in named} | {"/"} == set(PAGE)
    assert len(SCRIPTS) > 5


def test_nothing_is_fetched_from_elsewhere_and_no_text_becomes_markup():
    for address, text in PAGE.items():
        assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}, address
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), (
            address
        )
    assert not re.search(r"<style|style=|<script(?! type=\"module\" src)|\son\w+=", PAGE["/"])


def test_all_is_said_in_both_languages():
    chinese, english = wordings("ZH"), wordings("EN")
    assert english <= chinese
    assert [key for key in chinese - english if not key.startswith(OF_OURS)] == []
    used = set(re.findall(r'data-say(?:-label)?="([\w-]+)"', PAGE["/"]))
    for text in SCRIPTS.values():
        used |= set(re.findall(r'(?:\bsay|sayLabel|sayHint|sayTitle): "([\w-]+)"', text))
        used |= set(re.findall(r'\bsay\("([\w-]+)"', text))
    assert used - {"textContent", "aria-label", "placeholder", "title"} <= chinese  # places, not words
    assert len(used) > 60


def test_an_answer_has_a_policy_that_runs_no_other_script():
    for address in PAGE:
        answer = page_files.show(address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.media_type.startswith(("text/html", "text/css", "text/javascript"))
