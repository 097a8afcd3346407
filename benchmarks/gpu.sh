#!/usr/bin/env bash
# All that is to be measured on a CUDA GPU, in at most 10 minutes, as one table in Markdown.
#
#   bash benchmarks/gpu.sh [--out=FILE] [--only=tests,claims,lanes,images,precision,sefa] [--tiny]
#
# Needs jaxgan with its extras dev and cuda12 or cuda13; torch with CUDA for the rivals. The
# card is the first one, or CUDA_VISIBLE_DEVICES. A step that fails or takes longer than its
# limit is named in the table, and the others go on. --tiny tries every step in a small size on
# a CPU, to find mistakes; its numbers mean nothing. The code at the end is 1 if a step failed.
set -uo pipefail
from=$PWD  # FILE is relative to it
cd "$(dirname "$0")/.."

refuse() { echo "benchmarks/gpu.sh: error: $1" >&2; exit 2; }
out=gpu.md only=tests,claims,lanes,images,precision,sefa tiny=()
for argument in "$@"; do
  case $argument in
    --out=?*) out=${argument#--out=} ;;
    --only=?*) only=${argument#--only=} ;;
    --tiny) tiny=(--tiny) ;;
    *) refuse "$argument: the options are --out=FILE, --only=STEPS and --tiny" ;;
  esac
done
limit() {  # of a step, in seconds; 590 together, and ten times as long on a CPU
  local seconds
  case $1 in
    tests) seconds=140 ;; claims) seconds=130 ;; lanes) seconds=75 ;; images) seconds=150 ;;
    precision) seconds=30 ;; sefa) seconds=65 ;;
    *) refuse "--only=$1: choose from tests, claims, lanes, images, precision, sefa" ;;
  esac
  echo $((seconds * (${#tiny[@]} ? 10 : 1)))
}
[[ $out = /* ]] || out=$from/$out
for step in ${only//,/ }; do limit "$step" > /dev/null || exit 2; done

export PYTHONPATH=$PWD XLA_PYTHON_CLIENT_PREALLOCATE=false  # several processes share the card
if [ ${#tiny[@]} = 0 ]; then
  export JAXGAN_BENCHMARK_CARD=1 CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-0}
fi
about=$(python - << 'END'
import os, sys, jax
from importlib.metadata import PackageNotFoundError, version
try:
    torch = "torch " + version("torch")
except PackageNotFoundError:
    torch = "no torch"
if os.environ.get("JAXGAN_BENCHMARK_CARD") and jax.default_backend() != "gpu":
    sys.exit(3)
print(f"{jax.devices()[0].device_kind}, jax {version('jax')}, {torch}")
END
) || refuse "JAX finds no GPU here; install '.[dev,cuda12]' or '.[dev,cuda13]', or try --tiny"
: > "$out" || refuse "--out=$out: cannot be written"

say() { echo "$1" | tee -a "$out"; }
work=$(mktemp -d) running=
trap 'rm -rf "$work"' EXIT
trap 'kill $running 2> /dev/null; exit 130' INT TERM  # with all that a step has started
[ ${#tiny[@]} = 0 ] || say "Tiny sizes on any machine: these numbers mean nothing."$'\n'
say "$about, commit $(git describe --always --dirty=+ --exclude='*' 2> /dev/null || echo unknown)"
say ""
say "| | jaxgan | rival | ratio | target |"
say "|---|---|---|---|---|"
code=0
for step in ${only//,/ }; do
  timeout -k 5 "$(limit "$step")" python benchmarks/gpu.py "$step" ${tiny[@]+"${tiny[@]}"} \
    > "$work/rows" 2> "$work/errors" &
  running=$!
  wait "$running"
  ended=$?
  grep '^| ' "$work/rows" | tee -a "$out"
  cat "$work/errors" >&2
  case $ended in
    0) ;;
    124 | 137) say "| $step: stopped after $(limit "$step") s | - | - | - | - |"; code=1 ;;
    *) say "| $step: failed with code $ended, as said on stderr | - | - | - | - |"; code=1 ;;
  esac
done
exit $code
