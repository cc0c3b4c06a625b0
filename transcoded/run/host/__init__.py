"""The machine: its programs, its memory, and its service manager."""
