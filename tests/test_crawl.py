"""`fashiontag import` from addresses, against a shop that is written here and listens here."""

import gzip
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
import trustme
from fakes import color_picture

from fashiontag.catalog import read_catalog, web
from fashiontag.catalog.downloads import JOURNAL, Downloads
from fashiontag.catalog.web import Web
from fashiontag.errors import CatalogError, UsageError
from fashiontag.workflows import importing
from fashiontag.workflows.importing import Fetching, import_feed

PAGES = 300
DELAY = 2.0
ROBOTS = "User-agent: *\nDisallow: /products/private\nDisallow: /hidden\nSitemap: /map.xml\n"


class Clock:
    """Seconds that pass only when somebody waits."""

    def __init__(self):
        self.at = 0.0
        self._lock = threading.Lock()

    def now(self):
        return self.at

    def sleep(self, seconds):
        with self._lock:
            self.at += seconds


class Answers:
    """What a site says: path → bytes, or a function of the handler."""

    def __init__(self, clock):
        self.clock = clock
        self.pages = {}
        self.asked = []  # (host, path, time)
        self.headers = defaultdict(dict)

    def count(self):
        return Counter((host, path) for host, path, _ in self.asked)


@contextmanager
def serving(answers, tls=None):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # 40 ms a request otherwise

        def do_GET(self):
            host = self.headers["Host"].partition(":")[0]
            answers.asked.append((host, self.path, answers.clock.now()))
            said = answers.pages.get(self.path)
            if callable(said):
                said(self)
            elif said is None:
                self.send_error(404)
            else:
                self.reply(said)

        def reply(self, body, status=200, **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(tmp_path, monkeypatch):
    answers = Answers(Clock())
    monkeypatch.chdir(tmp_path)
    with serving(answers) as port:
        answers.home = f"http://127.0.0.1:{port}"
        answers.other = f"http://localhost:{port}"
        yield answers


def fetching(answers, **options):
    clock = answers.clock
    given = {"allow_private": True, "delay": DELAY, **options}
    return Fetching(Web(now=clock.now, sleep=clock.sleep, **given))


def picture(number):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 99)).save(buffer, "PNG")
    return buffer.getvalue()


def to(address, status=302):
    return lambda handler: handler.reply(b"", status, Location=address)


def product_page(number, image, form):
    name, sku = f"Shoe &quot;{number}&quot;", f"S{number}"
    if form == 0:
        head = (
            '<script type="application/ld+json">{/* made by hand */"@type":"Product",'
            f'"name":"{name}","sku":"{sku}","image":["{image}",],}}</script>'
        )
        return f"<!doctype html><html><head>{head}</head><body></body></html>".encode()
    if form == 1:
        return (
            '<html><body><div itemscope itemtype="https://schema.org/Product">'
            f'<h1 itemprop="name">{name}</h1><meta itemprop="sku" content="{sku}">'
            f'<img itemprop="image" src="{image}"></div></body></html>'
        ).encode()
    return (
        '<html><head><meta property="og:type" content="product">'
        f'<meta property="og:title" content="{name}"><meta property="og:image" content="{image}">'
        f'<meta property="product:retailer_item_id" content="{sku}"></head><body>x</body></html>'
    ).encode()


def broken(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b"<html>")
    handler.close_connection = True


def open_shop(site, pages=PAGES):
    """Fill a site with a shop; return the numbers of its good products."""

    def slow(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        handler.wfile.write(b"<html>")
        handler.wfile.flush()
        site.clock.sleep(1000)
        with_rest = b"x" * 1000
        handler.wfile.write(with_rest)
        handler.close_connection = True

    odd = {
        7: None,
        13: to("/products/shoe-1"),
        17: to(f"{site.other}/elsewhere"),
        23: broken,
        27: slow,
        31: b"<html><body>Our story</body></html>",
        41: to("/ring/a"),
    }
    listed, good = [], []
    for number in range(pages):
        path = f"/products/{'private' if number % 50 == 19 else 'shoe'}-{number}"
        listed.append(path)
        if number % 50 in odd:
            site.pages[path] = odd[number % 50]
            continue
        where = site.other if number % 2 else site.home
        hidden = number % 50 == 37
        image = f"{where}/{'hidden' if hidden else 'img'}/{number}.png"
        site.pages[path] = product_page(number, image, number % 3)
        site.pages[image.removeprefix(where)] = picture(number)
        if number % 50 != 19:
            good.append(number)
    site.pages["/ring/a"], site.pages["/ring/b"] = to("/ring/b"), to("/ring/a")
    site.pages["/"] = b"<html><body>Welcome</body></html>"
    site.pages["/elsewhere"] = product_page(9999, "/x.png", 0)
    site.pages["/robots.txt"] = ROBOTS.encode()
    places = "".join(f"<url><loc>{site.home}{path}</loc></url>" for path in listed)
    site.pages["/map.xml"] = (
        f"<sitemapindex><sitemap><loc>{site.home}/products.xml.gz</loc></sitemap></sitemapindex>"
    ).encode()
    site.pages["/products.xml.gz"] = gzip.compress(f"<urlset>{places}</urlset>".encode())
    return good


def photos(out):
    return [json.loads(line) for line in (out / "catalog.jsonl").read_text().splitlines()]


def test_a_shop_of_300_pages(site, tmp_path):
    good = open_shop(site)
    summary = import_feed(f"{site.home}/", out=tmp_path / "shop", fetching=fetching(site))
    found = photos(tmp_path / "shop")
    assert {photo["product"] for photo in found} == {f"S{number}" for number in good}
    titles = {photo["product"]: photo["title"] for photo in found}
    # as it stands in JSON-LD; microdata and Open Graph are markup, where it is a quote
    assert titles["S0"] == "Shoe &quot;0&quot;"
    assert (titles["S1"], titles["S2"]) == ('Shoe "1"', 'Shoe "2"')
    counts = summary.counts
    assert counts["rows"] == counts["used"] + counts["reported"] == PAGES
    assert counts["missing"] == PAGES // 50  # those that robots.txt hides
    for photo in found:
        if photo["path"]:
            name = photo["url"].rpartition("/")[2].removesuffix(".png")
            assert (tmp_path / "shop" / photo["path"]).read_bytes() == picture(int(name))
    said = " ".join(summary.warnings)
    for reason in (
        "answers 404", "redirects in a loop", "forbidden by the site's robots.txt", "no product",
        "no whole answer", "1 kB a second", "another site", "read already",
    ):  # fmt: skip
        assert reason in said, reason
    # no violation, and each host was left alone for the delay between any two requests
    assert not [path for _, path, _ in site.asked if "private" in path or "hidden" in path]
    for host in ("127.0.0.1", "localhost"):
        times = [at for asked, _, at in site.asked if asked == host]
        assert len(times) > 100
        assert min(b - a for a, b in pairwise(times)) >= DELAY - 1e-6
    assert len(read_catalog(str(tmp_path / "shop")).items) == len(found)
    # what was saved reads in again as a folder of pages
    again = import_feed(str(tmp_path / "shop/original"), out=tmp_path / "again")
    assert again.counts["products"] == counts["products"]


class Killed(BaseException):
    """As sudden as a signal: nothing in the program may catch it."""


def test_stopped_again_and_again_each_address_is_completed_once(site, tmp_path):
    open_shop(site, 60)
    (tmp_path / "calm").mkdir()
    (tmp_path / "storm").mkdir()
    import_feed(f"{site.home}/", out=tmp_path / "calm/shop", fetching=fetching(site))
    calm = site.count()
    site.asked.clear()
    kills = 0
    while True:
        chosen = fetching(site)
        whole, left = chosen.web.get, [7]

        def get(*args, whole=whole, left=left, **options):
            reply = whole(*args, **options)
            left[0] -= 1
            if not left[0]:
                raise Killed  # answered, and not yet noted
            return reply

        chosen.web.get = get
        try:
            import_feed(f"{site.home}/", out=tmp_path / "storm/shop", fetching=chosen)
        except Killed:
            kills += 1
        else:
            break
    assert kills > 10
    assert (site.count() - calm).total() <= 2 * kills  # one in flight to each host
    storm = tmp_path / "storm"
    for name in ("catalog.jsonl", "import.json", "original/addresses.json"):
        calm_bytes = (tmp_path / "calm/shop" / name).read_bytes()
        assert (storm / "shop" / name).read_bytes() == calm_bytes
    journal = (storm / "shop.downloads" / JOURNAL).read_text().splitlines()
    assert max(Counter(journal).values()) == 1
    assert {path.name for path in storm.iterdir()} == {"shop", "shop.downloads"}


@pytest.mark.slow
def test_20_kills(site, tmp_path):
    open_shop(site)
    for name in [path for path, said in site.pages.items() if callable(said)]:
        site.pages[name] = None  # slow and broken pages take seconds of a real clock
    command = [sys.executable, "-m", "fashiontag", "import", f"{site.home}/", "--out", "shop"]
    command += ["--allow-private", "--delay", "0.005"]
    for place in ("calm", "storm"):
        (tmp_path / place).mkdir()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert subprocess.run(command, cwd=tmp_path / "calm", check=False, **quiet).returncode == 0
    calm = site.count()
    site.asked.clear()
    each = calm.total() // 22
    for _ in range(20):
        before = len(site.asked)
        with subprocess.Popen(command, cwd=tmp_path / "storm", **quiet) as run:
            while run.poll() is None and len(site.asked) < before + each:
                time.sleep(0.002)
            assert run.poll() is None
            run.send_signal(signal.SIGKILL)
    assert subprocess.run(command, cwd=tmp_path / "storm", check=False, **quiet).returncode == 0
    again = site.count() - calm
    assert again.total() <= 20 * 2  # one in flight to each host
    for name in ("catalog.jsonl", "import.json"):
        paths = [tmp_path / place / "shop" / name for place in ("calm", "storm")]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    lines = (tmp_path / "storm/shop.downloads" / JOURNAL).read_text().splitlines()
    assert max(Counter(json.loads(line).get("url") for line in lines).values()) == 1


def test_without_a_sitemap_links_are_followed(site, tmp_path):
    site.pages |= {
        "/": b'<html><a href="/a">A</a><a href="/a?sort=price">s</a><a href="/x.pdf">x</a></html>',
        "/a": product_page(1, "/img/1.png", 0).replace(b"</body>", b'<a href="/">up</a></body>'),
        "/img/1.png": picture(1),
    }
    summary = import_feed(f"{site.home}/", out=tmp_path / "shop", fetching=fetching(site))
    (photo,) = photos(tmp_path / "shop")
    assert photo["url"] == f"{site.home}/img/1.png"  # relative to where the page was
    assert summary.counts["missing"] == 0
    assert not [path for _, path, _ in site.asked if "sort" in path or "pdf" in path]


def test_no_more_pages_than_wanted(site, tmp_path):
    open_shop(site, 20)
    chosen = fetching(site)
    few = Fetching(chosen.web, pictures=False, most_pages=5)
    summary = import_feed(f"{site.home}/", out=tmp_path / "shop", fetching=few)
    assert summary.counts["products"] == summary.counts["missing"] == 5
    assert "beyond the first 5" in " ".join(summary.warnings)


def shopify(site, number):
    return {
        "id": number,
        "handle": f"hat-{number}",
        "title": "Hat",
        "variants": [],
        "images": [{"id": number, "src": f"{site.other}/img/{number}.png", "variant_ids": []}],
    }


@pytest.mark.parametrize("address", ["/", "/products.json"])
def test_products_json_page_by_page(site, tmp_path, address):
    for page, numbers in enumerate([range(250), range(250, 300), ()], start=1):
        listed = {"products": [shopify(site, number) for number in numbers]}
        site.pages[f"/products.json?limit=250&page={page}"] = json.dumps(listed).encode()
    chosen = Fetching(fetching(site).web, pictures=False)
    summary = import_feed(site.home + address, out=tmp_path / "shop", fetching=chosen)
    assert summary.format == "shopify-json"
    assert summary.counts["products"] == 300
    assert len(site.asked) == 4  # robots.txt and three pages


FEED = "id\ttitle\tdescription\tlink\timage link\n"


def feed(site, rows=3):
    lines = (f"{n}\tHat\t\t{site.home}/p/{n}\t{site.other}/img/{n}.png\n" for n in range(rows))
    for number in range(rows):
        site.pages[f"/img/{number}.png"] = picture(number)
    return (FEED + "".join(lines)).encode()


def test_a_packed_feed_and_its_pictures(site, tmp_path):
    site.pages["/export/Feed.TSV.gz"] = gzip.compress(feed(site))
    source = f"{site.home}/export/Feed.TSV.gz"
    summary = import_feed(source, fetching=fetching(site))
    assert str(summary.out) == "Feed"
    assert summary.counts["missing"] == 0
    original = tmp_path / "Feed/original.tsv.gz"
    assert original.read_bytes() == site.pages["/export/Feed.TSV.gz"]
    report = json.loads((tmp_path / "Feed/import.json").read_text())
    assert report["source"] == source


def test_what_has_not_changed_is_not_sent_again(site, tmp_path):
    sent = []

    def tagged(handler):
        if handler.headers["If-None-Match"] == '"v1"':
            handler.reply(b"", 304)
        else:
            sent.append(handler.path)
            handler.reply(picture(int(handler.path[5:-4])), ETag='"v1"')

    site.pages["/feed.tsv"] = feed(site)
    for number in range(3):
        site.pages[f"/img/{number}.png"] = tagged
    for _ in range(2):
        summary = import_feed(f"{site.home}/feed.tsv", fetching=fetching(site))
        assert summary.counts["missing"] == 0
    assert len(sent) == 3
    assert site.count()["localhost", "/img/1.png"] == 2


def test_pictures_of_a_feed_in_a_file_and_those_that_cannot_be_had(site, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "_MOST_PICTURE", 5000)
    (tmp_path / "feed.tsv").write_bytes(feed(site, 5))
    site.pages["/img/1.png"] = b"<html>gone"
    site.pages["/img/2.png"] = picture(2) + bytes(6000)
    site.pages["/img/3.png"] = None
    summary = import_feed("feed.tsv", fetching=fetching(site))
    assert summary.counts["missing"] == 3
    said = " ".join(summary.warnings)
    for reason in ("is no picture", "more than 5,000 bytes", "answers 404"):
        assert reason in said
    assert [bool(photo["path"]) for photo in photos(tmp_path / "feed")] == [1, 0, 0, 0, 1]


def test_a_silent_host_is_left_alone(site, tmp_path):
    site.pages["/feed.tsv"] = feed(site, 20)
    for number in range(20):
        site.pages[f"/img/{number}.png"] = broken
    summary = import_feed(f"{site.home}/feed.tsv", fetching=fetching(site))
    assert summary.counts["missing"] == 20
    assert "silent 5 times" in " ".join(summary.warnings)
    assert len({path for _, path, _ in site.asked if path.startswith("/img")}) == 5


def test_a_host_that_is_busy_is_asked_when_it_says(site, tmp_path):
    def busy(handler):
        if len(site.asked) < 2:
            handler.reply(b"", 503, Retry_After="50")
        else:
            handler.reply(feed(site))

    site.pages["/feed.tsv"] = busy
    import_feed(f"{site.home}/feed.tsv", fetching=fetching(site))
    assert site.asked[1][2] - site.asked[0][2] >= 50


def bomb(handler):
    handler.reply(gzip.compress(bytes(10**6)), Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (b"<!doctype html><title>Sign in</title>", "is a web page (Sign in), not a feed"),
        (gzip.compress(FEED.encode() * 99)[:-20], "can't be unpacked"),
        (broken, "gave no whole answer"),
        (None, "answers 404"),
        (to("/feed.tsv"), "redirects in a loop"),
        (to("http://169.254.169.254/latest/meta-data/"), "credentials; it is never asked"),
        (to("http://[::ffff:169.254.169.254]/"), "credentials; it is never asked"),
        (to("file:///etc/passwd"), "no address of http"),
        (to("http://["), "redirects to what is no address"),
        (bytes(20_000), "more than 10,000 bytes"),
        (bomb, "more than 10,000 bytes"),
    ],
)  # fmt: skip
def test_a_bad_feed_is_a_sentence_and_leaves_no_folder(site, tmp_path, monkeypatch, said, wanted):
    monkeypatch.setattr(importing, "_MOST_FEED", 10_000)
    site.pages["/feed.tsv"] = said
    source = f"{site.home}/feed.tsv"
    with pytest.raises(CatalogError) as caught:
        import_feed(source, fetching=fetching(site))
    assert wanted in str(caught.value)
    assert str(caught.value).startswith(source)
    assert ".part" not in str(caught.value)
    # what was read is kept, what gave nothing leaves nothing
    kept = ["feed.downloads"] if isinstance(said, bytes) and len(said) < 10_000 else []
    assert [path.name for path in tmp_path.iterdir()] == kept
    site.pages["/feed.tsv"] = feed(site)  # put right, it is asked again
    assert import_feed(source, fetching=fetching(site)).counts["missing"] == 0


@pytest.mark.parametrize(
    ("number", "private_too"),
    [("10.0.0.1", True), ("127.0.0.1", True), ("::1", True), ("fd00::1", True), ("0.0.0.0", False),
     ("100.64.0.1", True), ("169.254.169.254", False), ("fe80::1", False), ("224.0.0.1", False),
     ("64:ff9b::a9fe:a9fe", False), ("2002:a9fe:a9fe::", False), ("100.100.100.200", False)],
)  # fmt: skip
def test_addresses_inside_the_network_are_refused(monkeypatch, number, private_too):
    found = [(0, 0, 0, "", ("93.184.216.34", 80)), (0, 0, 0, "", (number, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(CatalogError, match="leads "):
        web.checked_numbers("shop.example", 80, allow_private=False)
    if private_too:
        assert number in web.checked_numbers("shop.example", 80, allow_private=True)
    else:
        with pytest.raises(CatalogError, match="leads "):
            web.checked_numbers("shop.example", 80, allow_private=True)


def test_what_was_checked_is_what_is_connected_to(site, tmp_path, monkeypatch):
    """A name whose number changes between check and connection: it is looked up once."""
    site.pages["/feed.tsv"] = feed(site)
    port = int(site.home.rpartition(":")[2])
    real, looked_up = socket.getaddrinfo, []

    def rebinding(host, *args, **options):
        if host == "shop.example":
            looked_up.append(host)
            number = "127.0.0.1" if len(looked_up) == 1 else "169.254.169.254"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port))]
        assert host == "127.0.0.1"
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    source = f"http://shop.example:{port}/feed.tsv"
    options = Fetching(fetching(site).web, pictures=False)
    assert import_feed(source, fetching=options).counts["products"] == 3
    assert site.asked[0][0] == "shop.example"
    assert looked_up == ["shop.example"]


def test_over_tls_the_certificate_has_to_be_the_names(tmp_path, monkeypatch):
    """Connections go to a number; who is there is asked for by name all the same."""
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("shop.example").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.chdir(tmp_path)
    loopback = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    real = socket.getaddrinfo

    def found(host, *args, **options):
        return loopback if host.endswith(".example") else real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    answers = Answers(Clock())
    answers.pages = {"/a.tsv": f"{FEED}1\tHat\t\t/p/1\thttps://shop.example/1.png\n".encode()}
    with serving(answers, tls) as port:
        good, other = (f"https://{host}.example:{port}/a.tsv" for host in ("shop", "other"))
        with pytest.raises(CatalogError, match="VERIFY_FAILED"):
            import_feed(good, fetching=Fetching(fetching(answers).web, pictures=False))
        monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "authority.pem"))
        options = Fetching(fetching(answers).web, pictures=False)
        assert import_feed(good, fetching=options).counts["products"] == 1
        with pytest.raises(CatalogError, match=r"not valid for 'other\.example'"):
            import_feed(other, fetching=Fetching(fetching(answers).web, pictures=False))
    assert {host for host, *_ in answers.asked} == {"shop.example"}


def test_a_password_is_sent_and_never_shown(site, tmp_path):
    def guarded(handler):
        known = handler.headers["Authorization"] == "Basic bWU6c2VjcmV0"
        handler.reply(feed(site) if known else b"", 200 if known else 401)

    site.pages["/feed.tsv"] = guarded
    source = f"{site.home}/feed.tsv".replace("//", "//me:secret@")
    options = Fetching(fetching(site).web, pictures=False)
    summary = import_feed(source, fetching=options)
    assert "secret" not in str(summary)
    assert "secret" not in (tmp_path / "feed/import.json").read_text()


def test_a_torn_journal_and_two_runs_at_once(site, tmp_path):
    site.pages["/feed.tsv"] = feed(site)
    home = tmp_path / "shop.downloads"
    first = Downloads(home, fetching(site).web)
    first.fetch(f"{site.home}/feed.tsv", 10_000, robots=False)
    if os.name == "posix":
        with pytest.raises(OSError, match="another import"):
            Downloads(home, fetching(site).web)
    first._journal.write(b'{"url": "http')
    first._journal.close()
    with Downloads(home, fetching(site).web) as second:
        assert second.fetch(f"{site.home}/feed.tsv", 10_000, robots=False).status == 200
    assert len(site.asked) == 1
    assert (home / JOURNAL).read_bytes().count(b"\n") == 2


def test_nothing_is_asked_unless_it_may(site, tmp_path):
    with pytest.raises(UsageError, match="nothing may be fetched"):
        import_feed(f"{site.home}/feed.tsv")
    color_picture(tmp_path / "images/0.png", (1, 2, 3))
    (tmp_path / "feed.tsv").write_bytes(feed(site, 1))
    summary = import_feed("feed.tsv", images="images", fetching=fetching(site))
    assert summary.counts["missing"] == 0
    assert not site.asked
    assert not (tmp_path / "feed.downloads").exists()
