"""Floor 1: the runtime. All that touches a socket, a disk, a clock or a person."""
