"""Tests mirror the modules: plan (tables and properties), run (clocks and fakes), web, and live (the real thing)."""
