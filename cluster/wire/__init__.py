"""What goes over a connection: message codec, msgpack-RPC, errors."""
