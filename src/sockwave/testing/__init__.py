"""Help for testing programs that use Sockwave, and Sockwave itself."""

from sockwave.testing.driver_suite import DriverSuite
from sockwave.testing.fault_proxy import FaultProxy
from sockwave.testing.http_fault_proxy import HttpFaultProxy
from sockwave.testing.linked import LinkedClient, LinkedTransport

__all__ = ["DriverSuite", "FaultProxy", "HttpFaultProxy", "LinkedClient", "LinkedTransport"]
