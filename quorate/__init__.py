"""Quorate: a multi-process cluster runtime for Python."""
