"""The index of a file: the times of its keyframes from a few bounded reads, without a process and without its packets."""
