"""The evidence floor: what a file holds and what the weights hold, measured so that it can fail."""
