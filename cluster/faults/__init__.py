"""Faults between live nodes: the proxy that knows frames, links and directions, and how it is told what to do."""
