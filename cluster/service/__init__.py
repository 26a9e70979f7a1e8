"""The coordination service: the state machine of keys, leases and sessions, and what answers clients."""
