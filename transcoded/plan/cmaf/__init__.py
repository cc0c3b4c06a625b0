"""Segments of HLS and DASH: what is offered, where it is cut, how it is written."""
