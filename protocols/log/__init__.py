"""The replicated log as engines share it: packing to bytes, and the log in memory."""

from quorate.protocols.log.blobs import Blobs
from quorate.protocols.log.memory import Log
from quorate.protocols.log.packing import HEADER_SIZE, pack, packed_size, unpack

__all__ = ["HEADER_SIZE", "Blobs", "Log", "pack", "packed_size", "unpack"]
