"""HLS and DASH: which renditions are offered, where they are cut into segments, and how these are written."""
