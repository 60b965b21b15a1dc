"""Commands: flags become typed arguments, errors become exit statuses."""
