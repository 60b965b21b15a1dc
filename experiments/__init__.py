"""Command lines and configurations: where configuration values become typed arguments."""
