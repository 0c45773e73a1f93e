"""Help for testing programs that use Sockwave, and Sockwave itself."""
