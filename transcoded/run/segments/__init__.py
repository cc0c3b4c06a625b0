"""Segments for HLS and DASH, made on demand."""
