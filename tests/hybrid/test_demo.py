"""``hybrid demo`` in a real browser without a head, and what it answers without gradio."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hybrid
from tests.hybrid.conftest import one_line

ROOT = Path(__file__).parents[2]


def test_without_gradio_the_way_out_is_said(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, out, err = run("demo")
    assert (code, out) == (1, "")
    one_line(err, "gradio", "pip install 'qproj[demo]'")


@pytest.fixture(scope="module")
def address():
    """A running page, on a free port."""
    pytest.importorskip("gradio")
    command = [sys.executable, "-c", "from hybrid.cli import main; main()", "demo", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        yield server.stdout.readline().strip()
        server.terminate()
        assert server.wait(30) == 143
        assert server.stderr.read() == "hybrid: interrupted\n"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with playwright.sync_playwright() as driver:
        if chromium is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip("no chromium; install Debian's, or run playwright install chromium")
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address):
    """The page, and the addresses it has asked for."""
    page = browser.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(address)
    page.set_default_timeout(60_000)
    yield page
    page.close()


def _caption(page, name="caption"):
    return page.locator(f"#{name} textarea")


def test_a_picture_is_dropped_and_its_caption_appears(page, address):
    from playwright.sync_api import expect

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
    picture = ROOT / "docs" / "example.png"
    wanted = hybrid.caption(picture)
    page.set_input_files("#picture input[type=file]", picture)
    expect(_caption(page)).to_have_value(wanted, timeout=60_000)
    expect(page.locator("#values img")).to_be_visible()
    expect(page.locator("#shown img")).to_be_visible()
    expect(page.locator("#circuit")).to_contain_text("expval: Z0, Z1")
    expect(_caption(page, "other")).to_have_value("")

    # With errors after one gate in twenty nothing of the picture is left, and it says something else.
    before = page.locator("#values img").get_attribute("src")
    slider = page.locator("#error input[type=number]")
    slider.fill("0.05")
    slider.press("Tab")
    expect(_caption(page, "other")).to_have_value(re.compile(r"\w+ \w+"), timeout=60_000)
    expect(_caption(page)).to_have_value(wanted)
    expect(page.locator("#values img")).not_to_have_attribute("src", before)

    # Neither fonts nor figures nor reports: all that was asked for came from here.
    assert [url for url in page.asked if not url.startswith((address, "data:", "blob:"))] == []


def test_a_bad_file_shows_an_error(page, tmp_path):
    from playwright.sync_api import expect

    (tmp_path / "bad.png").write_text("no picture")
    page.set_input_files("#picture input[type=file]", tmp_path / "bad.png")
    expect(page.get_by_text("bad.png: is not a picture in one of JPEG")).to_be_visible(timeout=60_000)
    assert _caption(page).input_value() == ""
    assert not page.get_by_text("Traceback").count()
