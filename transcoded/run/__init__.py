"""Acts: processes, pipes, time and files. Knows nothing of URLs or routes."""
