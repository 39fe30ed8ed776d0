"""Commands about a whole installation: checking, backing up, restoring, moving and updating it."""
