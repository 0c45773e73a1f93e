"""Help for testing programs that use Sockwave, and Sockwave itself."""

from sockwave.testing.adapter_suite import AdapterSuite
from sockwave.testing.cluster_stage import AdapterMaker, ClusterStage
from sockwave.testing.driver_suite import DriverSuite
from sockwave.testing.fault_proxy import FaultProxy
from sockwave.testing.http_fault_proxy import HttpFaultProxy
from sockwave.testing.linked import LinkedClient, LinkedTransport

__all__ = [
    "AdapterMaker",
    "AdapterSuite",
    "ClusterStage",
    "DriverSuite",
    "FaultProxy",
    "HttpFaultProxy",
    "LinkedClient",
    "LinkedTransport",
]
