"""The journal passes the contract of Storage."""

from pathlib import Path

import pytest

from tests.cluster.storage.world import JournalWorld
from tests.contracts.storage import StorageContract, StorageWorld


class TestJournal(StorageContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> StorageWorld:
        return JournalWorld(str(tmp_path))
