"""When descent on the half loss is stable: exact derivatives, linear maps of the updates, thresholds, closed forms."""
