"""Which file a reader gets of a release. Reports, exports and the reading interface ask here and read nothing else."""
