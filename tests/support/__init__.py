"""What the tests share: media, programs, daemons."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
