"""The benchmark harness behind scripts/bench: clusters, load generators, rounds, and what is printed about them."""
