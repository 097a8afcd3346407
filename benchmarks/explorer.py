"""Time a slider move in the explorer: from the request to the picture, as the page makes it.

    python benchmarks/explorer.py [--moves=30] [flags of experiments.explore]

The explorer is started in a process of its own and asked over HTTP, one move after another.
A move changes the first slider, and its answer holds the picture in the page's size. The first
move is left out: it compiles what is compiled at need.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

SLIDER = 3  # place of the first slider, after person, truncation and layers
SECONDS = 300  # longest wait for an answer
LOCAL = build_opener(ProxyHandler({}))


def controls(page: str) -> tuple[list[Any], float]:
    """What the first event's controls hold when the page opens, and the first slider's end."""
    match = re.search(r"window\.gradio_config = (.*?);?</script>", page, re.DOTALL)
    assert match, "the page has no settings"
    settings = json.loads(match[1])
    (event,) = (x for x in settings["dependencies"] if x["id"] == 0)
    props = {x["id"]: x["props"] for x in settings["components"]}
    inputs = [props[name] for name in event["inputs"]]
    return [x.get("value") for x in inputs], inputs[SLIDER]["maximum"]


def move(address: str, data: list[Any]) -> str:
    """Ask for the picture; returns it as the page holds it."""
    event = {"data": data, "fn_index": 0, "session_hash": "benchmark", "trigger_id": None}
    headers = {"content-type": "application/json"}
    request = Request(f"{address}/gradio_api/queue/join", json.dumps(event).encode(), headers)
    LOCAL.open(request, timeout=SECONDS).read()
    queue = f"{address}/gradio_api/queue/data?session_hash=benchmark"
    with LOCAL.open(queue, timeout=SECONDS) as answers:
        for line in answers:
            message = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if message.get("msg") == "process_completed":
                assert message["success"], message
                picture = re.search(
                    r'src="(data:image/png[^"]*)"', message["output"]["data"][0]
                )
                assert picture, "the answer has no picture"
                return picture[1]
    raise RuntimeError("the explorer gave no picture")


def main() -> None:
    """Start the explorer, move its first slider, and print the times."""
    parser = argparse.ArgumentParser(description="Time a slider move in the explorer.")
    parser.add_argument("--moves", type=int, default=30, help="2 or more")
    options, flags = parser.parse_known_args()
    if options.moves < 2:
        parser.error(f"--moves={options.moves}: must be 2 or more")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "experiments.explore", "--port=0", f"--out={folder}"]
        explorer = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True)
        try:
            assert explorer.stdout
            lines = (line.strip() for line in explorer.stdout)
            address = next((line for line in lines if line.startswith("http://")), None)
            if address is None:
                sys.exit(explorer.wait())  # it has said why
            page = LOCAL.open(address, timeout=SECONDS).read().decode()
            data, most = controls(page)
            seconds, pictures = [], set()
            for i in range(1, options.moves + 2):
                data[SLIDER] = most * i / (options.moves + 1)
                begin = time.perf_counter()
                pictures.add(move(address, data))
                seconds.append(time.perf_counter() - begin)
        finally:
            explorer.terminate()
            try:
                explorer.wait(timeout=10)
            except subprocess.TimeoutExpired:
                explorer.kill()
    assert len(pictures) == len(seconds), "two moves gave the same picture"
    _, *others = seconds
    middle = statistics.median(others)
    print(f"median {middle:.3f} s, {min(others):.3f} to {max(others):.3f} s")


if __name__ == "__main__":
    main()
