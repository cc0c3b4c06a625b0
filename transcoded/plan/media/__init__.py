"""What a file holds, and what is done with each of its streams."""
