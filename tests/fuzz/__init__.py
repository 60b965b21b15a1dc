"""Generated inputs, many of them wrong, and counts of what becomes of them."""
