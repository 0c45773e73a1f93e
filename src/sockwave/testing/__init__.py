"""Help for testing programs that use Sockwave, and Sockwave itself."""

from sockwave.testing.linked import LinkedClient, LinkedTransport

__all__ = ["LinkedClient", "LinkedTransport"]
