"""Rules over regions of inputs, on networks that are still to be trained: rounds of training and verification."""
