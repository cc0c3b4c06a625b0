"""What a file contains, what is done with each of its streams, and the command lines for it."""
