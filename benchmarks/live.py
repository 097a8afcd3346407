"""Count the pictures a second of the live page of points, while it trains.

    python benchmarks/live.py [--seconds=10] [flags of experiments.points]

The page's command runs in a process of its own. This one asks for picture after picture over
HTTP, as the page does, but draws none. The first pictures are left out: programs are compiled.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

SECONDS = 300  # longest wait for an answer
WARM = 20  # pictures that are left out
LOCAL = build_opener(ProxyHandler({}))


def shot(address: str, after: int) -> tuple[dict[str, Any], int]:
    """Facts of the next picture, and how many bytes it has."""
    content = LOCAL.open(f"{address}/shot?after={after}", timeout=SECONDS).read()
    length = int.from_bytes(content[:4], "little")
    return json.loads(content[4 : 4 + length]), len(content)


def main() -> None:
    """Start the page's command, let it train, and print what was counted."""
    parser = argparse.ArgumentParser(description="Count the live page's pictures a second.")
    parser.add_argument("--seconds", type=float, default=10.0)
    options, flags = parser.parse_known_args()
    if options.seconds <= 0:
        parser.error(f"--seconds={options.seconds:g}: must be above 0")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "experiments.points", "--live", "--port=0"]
        page = subprocess.Popen(
            [*command, f"--out={folder}", *flags], stdout=subprocess.PIPE, text=True
        )
        try:
            assert page.stdout
            address = page.stdout.readline().strip()
            if not address.startswith("http://"):
                sys.exit(page.wait())  # it has said why
            body = json.dumps({"act": "play"}).encode()
            LOCAL.open(Request(f"{address}/act", body), timeout=SECONDS).read()
            after, first, sizes = 0, {}, []
            began = time.perf_counter()
            while len(sizes) < WARM or time.perf_counter() - began < options.seconds:
                facts, size = shot(address, after)
                after = facts["number"]
                sizes.append(size)
                if len(sizes) == WARM:
                    began, first = time.perf_counter(), facts
            wall = time.perf_counter() - began
        finally:
            page.terminate()
            page.wait(timeout=30)
    pictures, updates = len(sizes) - WARM, facts["step"] - first["step"]
    print(
        f"{pictures / wall:.1f} pictures a second, {updates / wall:.0f} updates a second, "
        f"{sum(sizes) / len(sizes) / 1024:.0f} KiB a picture"
    )


if __name__ == "__main__":
    main()
