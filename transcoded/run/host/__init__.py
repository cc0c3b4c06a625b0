"""The machine: its programs, its memory, its service manager."""
