"""The field's words: activations, samplings, networks and outcomes."""
