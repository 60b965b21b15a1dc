"""One sweep per file."""
