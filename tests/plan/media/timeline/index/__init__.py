"""Tests of the index of a file."""
