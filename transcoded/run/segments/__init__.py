"""Segments on demand."""
