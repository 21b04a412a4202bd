"""What the commands do, one module a verb; the Python API is these functions."""
