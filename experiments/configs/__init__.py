"""One file per algorithm, each a delta on `base`."""
