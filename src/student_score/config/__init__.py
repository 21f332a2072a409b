"""Hydra's configuration: the schema, its composition, identities, and the jobs of a multirun."""
