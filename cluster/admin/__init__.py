"""HTTP for machines and people: health, readiness, metrics."""
