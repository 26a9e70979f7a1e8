"""Histories of concurrent clients, and the checkers that say whether a consistent service could have given them."""
