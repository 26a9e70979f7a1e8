"""What survives: the write-ahead log, snapshots and the data directory, over real or faulty files."""
