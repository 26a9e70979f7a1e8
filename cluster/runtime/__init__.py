"""One node at run time: the driver of a core, the replica around it, its connections, and the process."""
