"""Measurements of speed, as plain scripts that print Markdown tables."""
