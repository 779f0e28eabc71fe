"""The page in a real browser, before a real server with the shipped models: each thing that it does is done once.

``NLPKIT_PICTURES=docs/pictures`` keeps the pictures that the docs show there.
"""

import base64
import csv
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs a browser's driver: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium fonts-noto-cjk"),
]
MODELS = ("reviews", "reviews-cloze", "reviews-chars", "restaurant-opinions")
SAMPLES = Path(__file__).resolve().parents[3] / "corpora" / "samples" / "labelled.csv"
TABS = {"sentiment": 0, "cloze": 1, "generate": 2, "aspects": 3}
REVIEW = "房间很大，早餐也不错😀，就是隔音太差，再也不来了。"
PHONE, SCREEN = (375, 812), (1200, 800)
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-pings")


@contextmanager
def serve(folder, *models, **environment):
    """Run a server of some models until the test is done; yield where it is, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    named = [part for model in models for part in ("--model", model)]
    command = [sys.executable, "-m", "nlpkit", "serve", *named, "--port", str(port)]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **environment}
        )
    try:
        address = f"http://127.0.0.1:{port}/"
        wait_until_ready(f"{address}readyz", process, log)
        yield address, process
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(address, process, log, seconds=180):
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("nlpkit_aspects", reason="its task is the stranger's")
    with serve(tmp_path_factory.mktemp("server"), *MODELS) as (address, _):
        yield address


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


class Watched:
    """A page of which is known what it asked for, and what went wrong in it."""

    def __init__(self, browser, address, *, language="zh-CN", scheme="light", size=SCREEN):
        self.context = browser.new_context(
            locale=language,
            color_scheme=scheme,
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.address, self.asked, self.faults = address, [], []
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)  # of a machine that does much else
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda line: self._hear(line))

    def _hear(self, line):
        if line.type == "error" and "Failed to load resource" not in line.text:  # which a test may want
            self.faults.append(line.text)

    def open(self, task=None):
        self.page.goto(self.address)
        self.page.get_by_role("tab").first.wait_for()
        if task:
            self.page.get_by_role("tab").nth(TABS[task]).click()
        return self.page

    def check(self):
        """Nothing went wrong, and nobody else was asked for anything."""
        assert self.faults == []
        assert len(self.asked) > 5
        assert [url for url in self.asked if not url.startswith((self.address, "data:", f"blob:{self.address}"))] == []


@pytest.fixture
def visit(chromium, server):
    """Open the page of a task; at the end nothing must have gone wrong."""
    visits = []

    def open_page(task=None, *, address=server, **how):
        visits.append(Watched(chromium, address, **how))
        return visits[-1].open(task)

    yield open_page
    for visited in visits:
        visited.context.close()
    for visited in visits:
        visited.check()


@pytest.fixture
def table(tmp_path):
    """A table with a column of its own that is called label, and rows that cannot be answered."""
    path = tmp_path / "订单.csv"
    rows = [("1", "质量很好，下次还来", "a"), ("2", "太差了，不建议购买", "b"), ("3", "", "c"), ("4", "👍", "d")]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "评价", "label"), *rows, ("5", "垃圾，退货，差评", "e")])
    return path


def box_of(page):
    return page.get_by_role("textbox").and_(page.locator("textarea")).first


def open_options(page):
    page.locator("details.more summary:visible").first.click()


def test_a_review_is_scored_while_it_is_typed(visit):
    page = visit("sentiment")
    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.post_data_json["text"]))
    box_of(page).press_sequentially(REVIEW, delay=15)
    page.locator(".coloured").wait_for()
    page.wait_for_function("text => document.querySelector('.coloured').textContent === text", arg=REVIEW)
    assert len(sent) < len(REVIEW)  # not at each key
    assert sent[-1] == REVIEW
    assert page.locator(".verdict strong").inner_text() in ("正面", "负面", "中性")
    shares = page.locator(".shares .share-said").all_inner_texts()
    assert sum(float(share.strip("<%")) for share in shares) == pytest.approx(100, abs=0.3)
    words = page.locator(".coloured .word")
    assert words.filter(has_text="😀").count() == 1  # its place counts characters, not units of 16 bits
    assert {"for", "against"} <= set(" ".join(word.get_attribute("class") for word in words.all()).split())
    page.get_by_text("逐词查看").click()
    assert page.locator(".levers tbody tr").count() == words.count()
    page.wait_for_function("() => document.getElementById('announcer').textContent.includes('概率')")


def test_a_word_that_is_still_being_spelled_is_not_asked_about(visit):
    page = visit("sentiment")
    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.post_data_json["text"]))
    box_of(page).focus()
    keyboard = page.context.new_cdp_session(page)
    for spelled in ("h", "he", "hen", "henh", "henhao"):
        keyboard.send("Input.imeSetComposition", {"text": spelled, "selectionStart": 0, "selectionEnd": len(spelled)})
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)
    assert sent == []
    keyboard.send("Input.insertText", {"text": "很好"})
    page.locator(".verdict strong", has_text="正面").wait_for()
    assert sent == ["很好"]


def test_it_may_lie_below_a_prefix_of_a_proxy(chromium, server):
    watched = Watched(chromium, f"{server}texts/")
    watched.page.route("**/texts/**", lambda route: route.continue_(url=route.request.url.replace("/texts/", "/")))
    page = watched.open("sentiment")
    box_of(page).fill("质量很好")
    page.locator(".verdict strong", has_text="正面").wait_for()
    watched.context.close()
    watched.check()


def test_an_answer_that_is_out_of_date_is_dropped(visit):
    page = visit("sentiment")
    held, dropped = [], []
    page.on("requestfailed", lambda request: dropped.append(request.post_data_json["text"]))
    page.route("**/score", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/score"):
        box_of(page).fill("太差了，不建议购买")
    box_of(page).fill("质量很好，下次还来")
    page.locator(".verdict strong", has_text="正面").wait_for()
    assert dropped == ["太差了，不建议购买"]  # so that the server need not answer it either
    held[0].continue_()
    page.wait_for_timeout(400)
    assert page.locator(".verdict strong").inner_text() == "正面"


def test_a_text_without_an_answer_has_a_reason_in_plain_words(visit):
    page = visit("sentiment")
    box_of(page).fill("😍😍")
    page.get_by_text("没有文字，无从判断").wait_for()
    page.get_by_role("button", name="English").click()
    page.get_by_text("no letters, so nothing to go by").wait_for()
    box_of(page).fill("")
    page.get_by_text("The answer appears here as you type.").wait_for()


def test_options_are_those_of_the_verb(visit):
    page = visit("sentiment", language="en")
    open_options(page)
    page.get_by_label("Least probability").fill("0.99")
    box_of(page).fill("一般吧")
    page.get_by_text("not sure enough").wait_for()
    page.get_by_label("Only among these labels").fill("nonsense")
    page.get_by_text("The server can do nothing with these texts or options.").wait_for()
    assert "nonsense" in page.locator(".fault q").inner_text()
    page.get_by_label("Only among these labels").fill("negative,positive")
    page.get_by_label("Least probability").fill("0")
    page.locator(".verdict strong").wait_for()
    assert page.locator(".shares .share").count() == 2
    assert page.locator("main .fault").count() == 0


def test_blanks_are_filled_in_place(visit):
    page = visit("cloze")
    box_of(page).fill("衣服质量__哦，物流也__")
    first = page.locator(".candidate").first
    first.wait_for()
    assert page.locator(".slot").count() == 2
    word = first.locator("span").first.inner_text()
    first.click()
    page.get_by_text("第 2 个空可以填").wait_for()
    assert page.locator(".slot.filled").inner_text() == word
    page.wait_for_function("() => document.activeElement.classList.contains('candidate')")
    page.keyboard.press("Enter")  # the keyboard is where the next words are
    page.get_by_text("填好了").wait_for()
    filled = page.locator(".sentence").inner_text()
    assert re.fullmatch(rf"衣服质量\s*{word}\s*哦，物流也\s*\S+\s*", filled)
    page.locator(".slot").first.click()  # and chosen again
    page.locator(".candidate").nth(1).click()
    assert page.locator(".slot").first.inner_text() != word
    box_of(page).fill("没有空")
    page.get_by_text("请用两个下划线").wait_for()
    page.get_by_role("button", name="插入一个空").click()
    assert box_of(page).input_value() == "没有空__"


def test_text_goes_on_writing_itself(visit):
    page = visit("generate")
    box_of(page).fill("衣服质量")
    page.get_by_label("温度").fill("0.5")
    page.get_by_label("最多字数").fill("60")
    page.get_by_label("随机种子").fill("7")

    def write(button):
        page.get_by_role("button", name=button).click()
        page.locator(".paper[aria-busy=false]").wait_for()
        return page.locator(".paper").inner_text()

    text = write("开始写")
    assert text.startswith("衣服质量")
    assert 4 < len(text) <= 64
    assert write("开始写") == text
    assert page.get_by_text("种子 7").is_visible()
    more = write("接着写")
    assert more.startswith(text)
    page.get_by_role("button", name="复制").click()
    assert page.evaluate("navigator.clipboard.readText()") == more


def test_writing_can_be_stopped(visit):
    page = visit("generate")
    open_options(page)
    page.get_by_label("一段写完接着写下一段").check()
    page.get_by_label("最多字数").fill("5000")
    page.get_by_role("button", name="开始写").click()
    page.wait_for_function("() => document.querySelector('.paper').textContent.length > 20")
    page.get_by_role("button", name="停止").click()
    page.get_by_text("已停止。").wait_for()
    written = page.locator(".paper").inner_text()
    assert len(written) < 5000
    page.wait_for_timeout(300)
    assert page.locator(".paper").inner_text() == written


def test_the_answer_of_a_strangers_task_is_shown_as_it_says_itself(visit):
    page = visit("aspects")
    box_of(page).fill("😀，房间很大，就是隔音不好")
    page.locator("mark").first.wait_for()
    assert page.locator(".coloured mark").all_inner_texts() == ["房间", "很大", "隔音", "不好"]
    assert page.locator(".entry tbody tr").count() == 2
    assert page.locator(".entry td").all_inner_texts()[:3] == ["房间", "很大", "正面"]
    open_options(page)
    page.get_by_role("spinbutton", name="最低把握").fill("1")
    page.get_by_text("没有找到评价").wait_for()


@pytest.mark.parametrize("dropped", [False, True])
def test_a_file_is_answered_and_taken_away(visit, table, tmp_path, dropped):
    page = visit("sentiment")
    if dropped:
        drop(page, table)
    else:
        page.get_by_text("一个文件").click()
        page.locator("input[type=file]").set_input_files(table)
    page.get_by_label("文本在哪一列").wait_for()
    assert page.get_by_label("文本在哪一列").input_value() == "评价"
    page.get_by_role("button", name="判断所有行").click()
    page.get_by_role("heading", name="共 5 行，3 行有结果，2 行没有。").wait_for()
    names, said = (page.locator(f".summary .share-{part}").all_inner_texts() for part in ("name", "said"))
    shares = dict(zip(names, said, strict=True))
    assert shares["负面"].endswith("2 行")
    assert shares["正面"].endswith("1 行")
    assert set(page.locator(".reasons li > :first-child").all_inner_texts()) == {"没有内容", "没有文字，无从判断"}
    worst = page.locator(".worst tbody tr td:last-child").all_inner_texts()
    assert set(worst[:2]) == {"太差了，不建议购买", "垃圾，退货，差评"}
    with page.expect_download() as waiting:
        page.get_by_role("button", name="下载").click()
    target = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(target)
    assert target.name == "订单.scored.csv"
    assert target.read_bytes() == answer_by_shell(table, tmp_path)


def drop(page, path):
    """Drop a file on the page as a hand does, anywhere."""
    carry = "([name, text]) => { const d = new DataTransfer(); d.items.add(new File([text], name)); return d; }"
    carried = page.evaluate_handle(carry, [path.name, path.read_text(encoding="utf-8")])
    page.dispatch_event("main", "drop", {"dataTransfer": carried})


def answer_by_shell(path, folder):
    target = folder / "shell.csv"
    command = [
        sys.executable,
        "-m",
        "nlpkit",
        "sentiment",
        "score",
        path,
        "--column",
        "评价",
        "--probabilities",
        "-o",
        target,
    ]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return target.read_bytes()


def test_a_sheet_of_a_workbook_is_answered(visit, tmp_path):
    xlsxwriter = pytest.importorskip("xlsxwriter")
    pytest.importorskip("python_calamine")
    path = tmp_path / "orders.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for month, text in (("三月", "质量很好，下次还来"), ("四月", "太差了，不建议购买")):
            sheet = book.add_worksheet(month)
            sheet.write_row(0, 0, ("id", "review"))
            sheet.write_row(1, 0, (1, text))
    page = visit("sentiment", language="en")
    page.get_by_text("A file").click()
    page.locator("input[type=file]").set_input_files(path)
    page.locator(".fault q", has_text="四月").wait_for()  # which sheets there are
    page.get_by_role("textbox", name="Sheet").fill("四月")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Answer all rows").click()
    page.get_by_role("heading", name="1 row: 1 with an answer, 0 without.").wait_for()
    assert page.locator(".worst tbody td").all_inner_texts()[-1] == "太差了，不建议购买"
    assert page.get_by_label("Format").input_value() == "xlsx"
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").click()
    assert Path(waiting.value.path()).read_bytes().startswith(b"PK")


def test_a_file_that_cannot_be_read_is_told_near_it(visit, tmp_path):
    path = tmp_path / "broken.xlsx"
    path.write_bytes(b"PK\x03\x04 no workbook")
    page = visit("sentiment", language="en")
    page.get_by_text("A file").click()
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text("The server can do nothing with these texts or options.").wait_for()
    assert "xlsx" in page.locator(".fault q").inner_text()


def test_a_token_is_asked_for_and_kept_for_the_tab(chromium, tmp_path):
    with serve(tmp_path, "reviews", NLPKIT_SERVE_TOKEN="open-sesame") as (address, _):
        watched = Watched(chromium, address, language="en")
        page = watched.page
        page.goto(address)
        page.get_by_label("Token", exact=True).fill("wrong")
        page.get_by_role("button", name="Go on").click()
        page.get_by_text("The server does not take this token.").wait_for()
        page.get_by_label("Token", exact=True).fill("open-sesame")
        page.keyboard.press("Enter")
        page.get_by_role("tab").first.wait_for()
        page.reload()
        box_of(page).fill("质量很好")
        page.locator(".verdict strong", has_text="positive").wait_for()
        assert page.evaluate("localStorage.length") == 0
        watched.context.close()
        watched.check()


def test_a_server_that_is_busy_or_gone_is_told(chromium, tmp_path):
    with serve(tmp_path, "reviews") as (address, process):
        watched = Watched(chromium, address)
        page = watched.open()
        busy = []

        def refuse_once(route):  # as a full queue or a proxy does, with the time at which to come again
            busy.append(1)
            if len(busy) > 1:
                return route.continue_()
            refused = {"error": {"kind": "unavailable", "message": "too many requests wait"}}
            return route.fulfill(status=503, headers={"Retry-After": "1"}, json=refused)

        page.route("**/score", refuse_once)
        box_of(page).fill("质量很好")
        page.get_by_text("服务器正忙").wait_for()
        page.locator(".verdict strong", has_text="正面").wait_for()  # by itself
        process.kill()
        process.wait(10)
        box_of(page).fill("太差了")
        page.get_by_text("服务器没有应答").wait_for()
        assert page.get_by_role("button", name="重试").is_visible()
        assert page.locator(".verdict").count() == 0  # nothing that was said of another text
        watched.context.close()
        watched.check()


def test_nothing_of_a_text_is_markup(visit):
    page = visit("sentiment")
    nasty = '<img src=x onerror="document.title=1">质量很好<script>document.title=1</script>'
    box_of(page).fill(nasty)
    page.locator(".coloured").wait_for()
    assert page.locator(".coloured").inner_text() == nasty
    page.get_by_role("tab").nth(TABS["generate"]).click()
    box_of(page).fill(nasty)
    page.get_by_role("button", name="开始写").click()
    page.locator(".paper[aria-busy=false]").wait_for()
    assert page.locator("img, main script").count() == 0
    assert page.title() == "nlpkit"


def test_the_language_is_the_browsers_until_another_is_chosen(visit):
    page = visit(language="zh-TW")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("button", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"
    page.reload()
    page.get_by_role("tab", name="Sentiment").wait_for()
    assert visit(language="de").get_by_role("tab", name="Fill blanks").is_visible()


def test_it_is_used_without_a_mouse(visit):
    page = visit(language="en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", selected=True).inner_text() == "Fill blanks"
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert page.get_by_role("tab", selected=True).inner_text() == "Sentiment"
    seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert seen == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # a text, or a file
    page.get_by_text("Choose a file").wait_for()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.type("很好")
    page.locator(".verdict strong", has_text="positive").wait_for()


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """axe-core, from npm: it finds what keeps people with disabilities out."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, which brings axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "pack", "axe-core@4", "--silent"]
    done = subprocess.run(command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"npm brings no axe-core: {done.stderr.decode()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


def use_everything(page, table):
    """Bring each task to where it has answered; yield its name each time."""
    labels = page.locator(".modes label")
    yield "empty"
    box_of(page).fill(REVIEW)
    page.locator(".coloured").wait_for()
    yield "scores"
    page.locator("details.more summary:visible").last.click()
    page.locator("details.more summary:visible").first.click()
    yield "words"
    labels.nth(1).click()
    page.locator("input[type=file]").set_input_files(table)
    page.locator(".steps button").last.click()
    page.locator(".summary").wait_for()
    yield "file"
    page.get_by_role("tab").nth(TABS["cloze"]).click()
    box_of(page).fill("发货__，包装也很__，下次还来")
    page.locator(".candidate").first.click()
    page.locator(".choice h3", has_text="2").wait_for()
    yield "blanks"
    page.get_by_role("tab").nth(TABS["generate"]).click()
    box_of(page).fill("酒店位置")
    page.locator("input[type=number]:visible").nth(1).fill("11")
    page.locator("button[type=submit]:visible").first.click()
    page.locator(".paper[aria-busy=false]").wait_for()
    yield "writing"
    page.get_by_role("tab").nth(TABS["aspects"]).click()
    box_of(page).fill("房间很大，早餐也好吃，就是隔音不好。")
    page.locator(".marked").wait_for()
    yield "records"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_axe_finds_nothing(visit, axe, table, language, scheme):
    page = visit(language=language, scheme=scheme)
    page.evaluate(axe)
    found = {}
    for name in use_everything(page, table):
        page.mouse.move(0, 0)
        report = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
        unsure = [one for one in report["incomplete"] if one["id"] == "color-contrast"]
        for fault in report["violations"] + unsure:
            found[name, fault["id"]] = [node["html"][:120] for node in fault["nodes"]][:3]
    assert found == {}


PICTURES = ("scores", "file", "blanks", "writing", "records")  # that the docs show
TO_WEBP = """async (png) => {
  const image = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const webp = await canvas.convertToBlob({type: "image/webp", quality: 0.9});
  return btoa(Array.from(new Uint8Array(await webp.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(""));
}"""


@pytest.fixture
def keep_picture(chromium, tmp_path):
    """Keep a picture of a page, small enough for the docs."""
    folder = Path(os.environ.get("NLPKIT_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    converter = chromium.new_page()

    def keep(page, name):
        page.evaluate("document.activeElement.blur()")
        page.mouse.move(0, 0)
        png = page.screenshot(full_page=name != "file", animations="disabled")
        picture = folder / f"serve-{name}-{page.viewport_size['width']}.webp"
        picture.write_bytes(base64.b64decode(converter.evaluate(TO_WEBP, base64.b64encode(png).decode())))
        assert 2_000 < picture.stat().st_size < 150_000

    yield keep
    converter.close()


@pytest.mark.parametrize("size", [PHONE, SCREEN])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_it_fits_a_phone_and_a_screen(visit, keep_picture, table, language, size):
    page = visit(language=language, size=size)
    for name in use_everything(page, SAMPLES if SAMPLES.is_file() else table):
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name
        if name in PICTURES and language == "zh-CN":
            keep_picture(page, name)
