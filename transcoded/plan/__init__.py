"""Decide: pure functions and frozen values, tested with tables and properties. No clock, no files, no processes."""
