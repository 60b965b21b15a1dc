"""Data: sources of recorded episodes, their preparation, replay and mixing."""
