"""A site on AWS: network, keys, stores, secrets, database, web tier, runner; one component a file."""
