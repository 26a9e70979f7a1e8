"""Floor 2: locks, elections, discovery, balancing, limiting, breaking. Nothing stands here yet."""
