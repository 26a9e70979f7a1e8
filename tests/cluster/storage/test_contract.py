"""The journal passes the contract of Storage, on real files and on faulty ones that forget."""

from pathlib import Path

import pytest

from quorate.cluster.storage.files import RealFiles
from tests.cluster.storage.world import JournalWorld
from tests.contracts.storage import StorageContract, StorageWorld


class TestJournalOnRealFiles(StorageContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> StorageWorld:
        return JournalWorld(str(tmp_path), RealFiles())


class TestJournalThatCrashes(StorageContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> StorageWorld:
        return JournalWorld(str(tmp_path))
