"""Models that others can use: kept beside runs, served by MLflow, asked for predictions of new rows."""
