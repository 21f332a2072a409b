"""Rows of students, where they come from, and the baselines that a network has to beat."""
