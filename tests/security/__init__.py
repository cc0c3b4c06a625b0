"""What an outsider, a client that is not honest, and somebody who owns files of the library cannot do. One test for each attack."""
