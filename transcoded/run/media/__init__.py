"""What a file holds, asked of ffprobe and remembered."""
