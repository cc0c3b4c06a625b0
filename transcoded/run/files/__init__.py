"""Files of the library, read without blocking the reactor."""
