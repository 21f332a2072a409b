"""Runs: from a configuration to a trained network, its transcript and its record."""
