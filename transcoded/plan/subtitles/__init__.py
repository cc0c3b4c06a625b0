"""Subtitles: what the name of a subtitle file says, in which charset it is, and how its text becomes WebVTT."""
