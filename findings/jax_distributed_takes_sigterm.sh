#!/usr/bin/env bash
# Joining jax.distributed makes a process survive SIGTERM, and its own handler is never called.
#
# Versions: jax 0.10.2 with jaxlib 0.10.2, on a CPU. jax.distributed.initialize starts a service
# that coordinates saving before a preemption, and that service installs its own handler of
# SIGTERM below Python's. A handler that was set with signal.signal beforehand is still what
# signal.getsignal returns, but it does not run; and where there was none, the process does not
# end. This holds for a job of one process too. A loop that saves on SIGTERM, as under Slurm or
# Kubernetes, therefore saves nothing and is killed later. The documentation of initialize does
# not mention signals; the switch jax_enable_preemption_service, set before, turns it off.
#
# Output seen:
#   alone: handler called
#   joined: handler not called, getsignal still names it
#   joined, without the preemption service: handler called
#   joined, without a handler: alive 2 s after SIGTERM
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
cat > "$folder/term.py" << 'PYTHON'
import os
import signal
import socket
import sys
import time

import jax

join, service, handler = (word == "yes" for word in sys.argv[1:])
called = []


def on_term(number, frame):
    called.append(number)


if handler:
    signal.signal(signal.SIGTERM, on_term)
if not service:
    jax.config.update("jax_enable_preemption_service", False)
if join:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    jax.distributed.initialize(address, num_processes=1, process_id=0)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(2)
text = "handler called" if called else "handler not called"
if handler and not called and signal.getsignal(signal.SIGTERM) is on_term:
    text += ", getsignal still names it"
print(text if handler else "alive 2 s after SIGTERM", flush=True)
os._exit(0)
PYTHON
try() {  # TITLE JOIN SERVICE HANDLER
  echo "$1: $(JAX_PLATFORMS=cpu "$folder/venv/bin/python" "$folder/term.py" "$2" "$3" "$4" 2> /dev/null)"
}
{
  try "alone" no yes yes
  try "joined" yes yes yes
  try "joined, without the preemption service" yes no yes
  try "joined, without a handler" yes yes no
} | tee "$folder/seen"
sed -n 's/^#   //p' "$0" | diff - "$folder/seen"
