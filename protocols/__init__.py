"""Floor 0: pure algorithms. No I/O, no clock, no randomness of their own; see CONTRIBUTING.md for the ban list."""
