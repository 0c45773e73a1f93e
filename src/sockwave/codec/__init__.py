"""Wire formats: pure functions between bytes and values, and small reassemblers. No I/O, no clock."""
