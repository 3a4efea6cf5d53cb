"""Performance claims: each a ratio against a floor or a peer that is measured in the same run."""
