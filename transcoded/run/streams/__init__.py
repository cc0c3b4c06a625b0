"""Live streams: admission, the registry, health checks, and their ends."""
