"""Help for testing programs that use Sockwave, and Sockwave itself."""

from sockwave.testing.fault_proxy import FaultProxy
from sockwave.testing.http_fault_proxy import HttpFaultProxy
from sockwave.testing.linked import LinkedClient, LinkedTransport

__all__ = ["FaultProxy", "HttpFaultProxy", "LinkedClient", "LinkedTransport"]
