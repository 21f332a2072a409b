"""Training: the reference trainer, the compiled one, and the doors to both."""
