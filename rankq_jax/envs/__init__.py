"""Environments: many at once, as functions of one state value."""
