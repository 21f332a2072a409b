"""Sweeps: planned, continued, trained together, recorded under one parent run, and summarised."""
