"""The rules of HTTP as pure functions: conditions, ranges, parameters, keys, signatures, addresses."""
