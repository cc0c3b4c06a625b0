"""This program's version. It is also in what URLs of segments depend on, since another version may write other bytes."""

VERSION = "0.1.0"
