"""Evidence packs: rows of one audience with the proof that they belong to a release, and nothing of anybody else."""
