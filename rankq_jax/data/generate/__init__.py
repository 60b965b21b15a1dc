"""Data that the project makes itself: scripted controllers and the store they write to."""
