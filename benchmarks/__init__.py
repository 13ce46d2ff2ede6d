"""How fast the pipeline is, always as a ratio to a bare script over the same files in the same run."""
