"""Who may run, what is healthy, which way the bytes go."""
