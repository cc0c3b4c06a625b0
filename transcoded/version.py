"""The version of this program. The URLs of segments depend on it, since another version may make other bytes."""

VERSION = "0.1.0"
