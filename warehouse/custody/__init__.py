"""The chain of custody: what releases commit to, how it is verified, proved row by row, backed up and restored."""
