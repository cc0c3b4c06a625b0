"""HTTP as values: conditions, ranges, keys, signatures, addresses."""
