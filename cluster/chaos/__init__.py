"""Chaos runs: faults, load and judgement on a live cluster, and the record and the report of what happened."""
