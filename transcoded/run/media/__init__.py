"""What media files contain, and small things that are extracted from them."""
