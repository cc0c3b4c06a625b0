#!/usr/bin/env bash
# Checks the engines on a machine with an NVIDIA GPU, without a network. Usage: tests/gpu/run.sh FOLDER [RESULTS], with what `pack.sh` has packed.
# Writes RESULTS/figures.json, and the logs beside it. The exit status is 0 if all checks hold.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(realpath "${1:?usage: tests/gpu/run.sh FOLDER [RESULTS]}")
results=$(realpath -m "${2:-gpu-results}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$results"
for program in ffmpeg ffprobe; do
    xz -dc "$folder/$program.xz" >"$work/$program"
    chmod +x "$work/$program"
done
"${PYTHON:-python3}" -m pip install -q --no-index --no-deps --no-compile --target "$work/site" "$folder"/wheels/*.whl
PYTHONPATH="$PWD:$work/site" PYTHONUNBUFFERED=1 "${PYTHON:-python3}" tests/gpu/check.py "$work" "$results"
