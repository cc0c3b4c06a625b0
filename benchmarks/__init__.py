"""What relaying costs: this daemon, each of its ways, against relays in Go, Node, plain Twisted and C (docs/benchmarks.md)."""
