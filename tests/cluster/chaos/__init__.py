"""Tests of chaos runs."""
