"""The time line of a file: when it begins, how long it is, where decoding can begin, and what of this is known and what only estimated."""
