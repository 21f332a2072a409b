"""Recording in MLflow: records of plain values, two ways to write them, one store to read them back."""
