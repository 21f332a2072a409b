"""One tiny network, and the truth about its learning rate."""
