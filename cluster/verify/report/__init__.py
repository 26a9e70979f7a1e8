"""Verdicts for people: one HTML page that needs nothing but a browser, and the same for machines as JSON."""
