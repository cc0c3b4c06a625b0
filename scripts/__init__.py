"""What is run by hand, and rarely."""
