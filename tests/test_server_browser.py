"""`fashiontag serve` as a person uses it: keys in a real browser, which asks nobody else."""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")
pytest.importorskip("uvicorn", reason="needs the extra [serve]")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
CATALOG = Path(__file__).parents[1] / "examples/catalog"
DATA = Path(os.environ.get("FASHIONTAG_DATA") or Path(__file__).parents[2] / "shared" / "data")
PICTURES = os.environ.get("FASHIONTAG_SCREENSHOTS")
"""A folder for the pictures of docs/review.md; none are made without it."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


def run(folder, *arguments):
    command = [sys.executable, "-m", "fashiontag", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


@contextmanager
def served(folder, source, *more):
    """Tag a source and serve it; yield the address."""
    run(folder, "tag", str(source), *more, "-q")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fashiontag", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder) as server:
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@contextmanager
def opened(address):
    """The review page, and a record of every address that was asked."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 820})
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(f"{address}/")
        page.wait_for_selector(".card.at")
        yield page
        browser.close()
    assert asked
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
    assert wrong == []


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    with served(folder, CATALOG, "--titles", str(CATALOG / "titles.csv")) as address:
        yield address


@pytest.fixture
def page(address):
    with opened(address) as page:
        yield page


@pytest.fixture
def page_at_home(tmp_path):
    """The page over 80 photos without titles, eight of each class, as people took them."""
    photos = DATA / "clothing-small/validation"
    if not photos.is_dir():
        pytest.skip("the photos of clothing-small aren't here (FASHIONTAG_DATA)")
    (tmp_path / "home").mkdir()
    chance = random.Random(0)
    for folder in sorted(photos.iterdir()):
        for n, file in enumerate(chance.sample(sorted(folder.iterdir()), 8), 1):
            shutil.copy(file, tmp_path / "home" / f"{folder.name}-{n:02}.jpg")
    with served(tmp_path, "home") as address, opened(address) as page:
        yield page


def shoot(page, name):
    if PICTURES:
        page.wait_for_timeout(600)
        page.screenshot(path=f"{PICTURES}/{name}.png")


def progress(page, sentence):
    sync_api.expect(page.locator("#progress")).to_contain_text(re.compile(f"^{sentence}"))


def settle(page):
    """Wait until every decision was acknowledged."""
    page.evaluate("sending")


def test_accept_change_and_undo_by_keys(page):
    progress(page, "0 of 35")
    shoot(page, "review")
    page.keyboard.press("a")
    page.keyboard.press("a")
    progress(page, "2 of 35")
    page.keyboard.press("c")
    page.wait_for_selector("#picker[open]")
    page.keyboard.type("skirt")
    shoot(page, "change")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#picker")).to_be_hidden()
    assert "skirt" in page.locator(".card.at li.person").inner_text()
    progress(page, "3 of 35")
    for left in ("2 of 35", "1 of 35", "0 of 35"):
        page.keyboard.press("z")
        progress(page, left)
    assert page.locator("li.person").count() == 0


def correct(page, was, right, times=1):
    """Look at the products that are tagged so, and say of the first ones what they are."""
    page.fill("#where", f"category = '{was}'")
    page.keyboard.press("Tab")
    sync_api.expect(page.locator(".card.at li .l").first).to_have_text(was)
    for _ in range(times):
        page.keyboard.press("c")
        page.keyboard.type(right)
        page.keyboard.press("Enter")
        sync_api.expect(page.locator("#picker")).to_be_hidden()
        page.keyboard.press("ArrowRight")
    settle(page)


@pytest.mark.slow
def test_three_corrections_learn_apply_and_undo(page_at_home):
    """A newcomer whose shop has one word for all t-shirts, and one for all hats."""
    page = page_at_home
    progress(page, "0 of 80")
    correct(page, "long-sleeve t-shirt", "t-shirt", 2)
    page.keyboard.press("l")
    page.wait_for_selector("#lesson[open]")
    sync_api.expect(page.locator("#reasons")).to_contain_text("nothing shows where that ends")
    assert page.locator("#changes li").count() > 0
    sync_api.expect(page.locator("#apply")).to_be_hidden()
    shoot(page, "why-not")
    page.keyboard.press("Escape")
    correct(page, "cap", "hat")
    progress(page, "3 of 80")
    page.keyboard.press("l")
    page.wait_for_selector("#lesson[open]")
    sync_api.expect(page.locator("#forecast")).to_contain_text("would be tagged otherwise")
    shown = page.locator("#changes li")
    assert shown.count() >= 3
    assert all("t-shirt" in text or "hat" in text for text in shown.all_inner_texts())
    pictures = page.locator("#changes img")
    for n in range(pictures.count()):
        assert pictures.nth(n).evaluate("image => image.decode().then(() => image.naturalWidth)")
    shoot(page, "learn")
    page.click("#apply")
    sync_api.expect(page.locator("#lesson")).to_be_hidden(timeout=60_000)
    page.fill("#where", "")
    page.select_option("#show", "all")
    sync_api.expect(page.locator(".card")).to_have_count(48)
    tags = page.evaluate(
        "fetch('/v1/items?limit=200').then(r => r.json()).then(p => p.items.map(c => c.tags"
        ".filter(t => t.group === 'category').map(t => [t.label, t.method]).flat().join(' ')))"
    )
    assert tags.count("t-shirt probe") >= 3
    assert tags.count("t-shirt person") == 2
    assert tags.count("hat person") == 1
    for left in ("2 of 80", "1 of 80", "0 of 80"):
        page.keyboard.press("z")
        progress(page, left)


@pytest.mark.slow
def test_pages_of_the_demo_and_on_a_narrow_screen(page, address):
    progress(page, "0 of 35")
    page.keyboard.press("a")
    settle(page)
    page.keyboard.press("l")
    page.wait_for_selector("#lesson[open]")
    sync_api.expect(page.locator("#reasons")).to_contain_text("only corrections change")
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    progress(page, "0 of 35")
    page.goto(f"{address}/stats")
    page.wait_for_selector("#groups section")
    shoot(page, "stats")
    page.goto(f"{address}/search")
    page.fill("#q", "red dress")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    page.click(".hit button >> text=but in red >> nth=0")
    page.wait_for_selector("#like:not([hidden])")
    facets = page.locator("#facets details")
    category, color = facets.nth(0), facets.nth(1)
    color.locator("summary").click()
    black = color.locator("label", has_text="black")
    before = black.inner_text()
    category.locator("label", has_text="dress").locator("input").check()
    # counts follow the filter of other groups, not their own
    sync_api.expect(black).not_to_have_text(before)
    assert category.locator("label").count() > 3
    shoot(page, "search")
    for path in ("/", "/search", "/stats"):
        page.set_viewport_size({"width": 390, "height": 780})
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        shoot(page, f"narrow{path.replace('/', '-')}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_a_hundred_products_by_a_hundred_keys(tmp_path):
    for copy in "abc":
        shutil.copytree(CATALOG, tmp_path / "shop" / copy)
    with served(tmp_path, "shop") as address, opened(address) as page:
        progress(page, "0 of 105")
        for _ in range(100):
            page.keyboard.press("a")
        settle(page)
        progress(page, "100 of 105")
        assert page.evaluate("fetch('/v1/stats').then(r => r.json()).then(s => s.reviewed)") == 100


@pytest.mark.slow
def test_every_control_has_a_name_and_the_keyboard_alone_will_do(page, address):
    for path in ("/", "/search", "/stats"):
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, input, select, img, progress')].filter(e =>"
            " e.tagName === 'IMG' ? !e.alt : !(e.labels?.[0]?.textContent.trim() ||"
            " e.textContent.trim() || e.getAttribute('aria-label') ||"
            " e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)"
        )
        assert unnamed == []
