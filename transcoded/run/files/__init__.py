"""The files of the library, used without blocking the reactor."""
