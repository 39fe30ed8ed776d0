from connectors.types import Platform
from tests.connectors.contract import ConnectorContract


class TestThreads(ConnectorContract):
    platform = Platform.THREADS
    account_counters = frozenset({"followers"})
