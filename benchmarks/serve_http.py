"""How fast `fashiontag serve` answers over HTTP, and what a crowd does to it.

::

    python -m benchmarks.serve_http                 # POST /v1/tag, one picture after another
    python -m benchmarks.serve_http --clients 50    # and so many clients at once for a minute

On the drawn catalogue in examples/, with the embedded model. Every picture that is sent is a new
one, for those that were seen before need no model.
"""

import argparse
import io
import itertools
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image, ImageEnhance

CATALOG = Path(__file__).parents[1] / "examples/catalog"
SECONDS = 60


def pictures(seed: int) -> itertools.count:
    """Yield JPEGs of the catalogue's pictures, 600 pixels high, each brighter or darker."""
    rng = random.Random(seed)
    files = sorted(CATALOG.rglob("*.jpg"))
    while True:
        with Image.open(rng.choice(files)) as image:
            image = image.convert("RGB").resize((450, 600))
        out = io.BytesIO()
        ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3)).save(out, "JPEG")
        yield out.getvalue()


def started(folder: str) -> tuple[subprocess.Popen, str]:
    """Tag the catalogue and serve it; return the process and its address once it answers."""
    run = [sys.executable, "-m", "fashiontag"]
    titles = ["--titles", str(CATALOG / "titles.csv")]
    subprocess.run([*run, "tag", str(CATALOG), *titles, "-q"], cwd=folder, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*run, "serve", "--port", str(port)], cwd=folder)
    address = f"http://127.0.0.1:{port}"
    while True:
        try:
            httpx.get(f"{address}/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return server, address


def crowd(address: str, server: psutil.Process, clients: int) -> None:
    """Let clients tag, search, list, decide and look at photos for a minute; print what came."""
    answers: list[int] = []
    memory: list[float] = []
    end = time.monotonic() + SECONDS

    def one(seed: int) -> None:
        rng, mine = random.Random(seed), pictures(seed)
        with httpx.Client(base_url=address, timeout=60) as client:
            while time.monotonic() < end:
                items = client.get("/v1/items", params={"limit": 24, "sort": "unsure"})
                card = rng.choice(items.json()["items"])
                decided = {
                    "id": card["id"],
                    "group": "season",
                    "labels": rng.choice([[], ["winter"]]),
                }
                got = [
                    items,
                    client.get(f"/photo/{card['number']}"),
                    client.get("/v1/search", params={"q": f"{rng.choice(['red', 'blue'])} dress"}),
                    client.post("/v1/decisions", json=decided),
                    client.post("/v1/tag", files={"image": ("x.jpg", next(mine))}),
                ]
                answers.extend(answer.status_code for answer in got)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append(server.memory_info().rss / 1e6)
        time.sleep(1)
    wrong = [status for status in answers if status != 200]
    print(f"{clients} clients, {SECONDS} s: {len(answers):,} answers, {len(wrong)} not 200", *wrong)
    print("memory by thirds, MB:", *(f"{np.mean(part):.0f}" for part in np.array_split(memory, 3)))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, address = started(folder)
        try:
            with httpx.Client(base_url=address) as client:
                spent = []
                for data in itertools.islice(pictures(0), 80):
                    before = time.monotonic()
                    client.post("/v1/tag", files={"image": ("x.jpg", data)}).raise_for_status()
                    spent.append(1000 * (time.monotonic() - before))
            middle, late = np.percentile(spent[10:], [50, 95])
            print(
                f"POST /v1/tag, one picture: median {middle:.0f} ms, 95th percentile {late:.0f} ms"
            )
            if given.clients:
                crowd(address, psutil.Process(server.pid), given.clients)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
