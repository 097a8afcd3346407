"""Time a slider move in the explorer: from the request to the picture, as the page makes it.

    python benchmarks/explorer.py [--moves=30] [flags of experiments.explore]

The explorer is started in a process of its own and asked over HTTP, one move after another.
A move changes the first slider, and its answer holds the picture in the page's size. Prints
the first move, which compiles, and the median, the least and the most of the others.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from urllib.request import Request, urlopen


def controls(page: str) -> list[object]:
    """What the controls of the first event hold when the page opens."""
    found = re.search(r"window\.gradio_config = (.*?);?</script>", page, re.DOTALL)
    assert found, "the page has no settings"
    settings = json.loads(found[1])
    (event,) = (x for x in settings["dependencies"] if x["id"] == 0)
    values = {x["id"]: x["props"].get("value") for x in settings["components"]}
    return [values[name] for name in event["inputs"]]


def move(address: str, data: list[object]) -> str:
    """Ask for the picture; returns its HTML."""
    event = {"data": data, "fn_index": 0, "session_hash": "benchmark", "trigger_id": None}
    headers = {"content-type": "application/json"}
    body = json.dumps(event).encode()
    urlopen(Request(f"{address}/gradio_api/queue/join", body, headers)).read()
    with urlopen(f"{address}/gradio_api/queue/data?session_hash=benchmark") as answers:
        for line in answers:
            message = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if message.get("msg") == "process_completed":
                assert message["success"], message
                return message["output"]["data"][0]
    raise RuntimeError("the explorer gave no picture")


def main() -> None:
    """Start the explorer, move its first slider, and print the times."""
    parser = argparse.ArgumentParser(description="Time a slider move in the explorer.")
    parser.add_argument("--moves", type=int, default=30)
    options, flags = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "experiments.explore", "--port=0", f"--out={folder}"]
        explorer = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True)
        try:
            assert explorer.stdout
            address = next(line.strip() for line in explorer.stdout if "http://" in line)
            data = controls(urlopen(address).read().decode())
            seconds, seen = [], set()
            for i in range(options.moves + 1):
                data[3] = round(0.1 * (i % 10) + 0.001 * i, 3)  # never the same picture
                begin = time.perf_counter()
                seen.add(move(address, data))
                seconds.append(time.perf_counter() - begin)
        finally:
            explorer.terminate()
            explorer.wait()
    assert len(seen) == len(seconds), "two moves gave the same picture"
    first, *others = seconds
    print(
        f"first move {first:.2f} s; {len(others)} others: median {statistics.median(others):.3f} "
        f"s, {min(others):.3f} to {max(others):.3f} s"
    )


if __name__ == "__main__":
    main()
