"""Decisions about running streams: admission, health, memory, connections."""
