"""Properties of networks with known weights: proofs, counterexamples, and what is open."""
