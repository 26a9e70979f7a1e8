"""The report of a chaos run: one HTML page that needs nothing but a browser, made from the run's record."""
