"""Floor 2: distributed transaction coordinators and participants. Nothing stands here yet."""
