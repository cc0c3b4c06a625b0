"""Moves bytes from a child's pipe to its client, with back-pressure."""
