"""What several converters share, and compression with them."""
