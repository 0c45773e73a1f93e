"""Wire formats: pure functions between bytes and values, small reassemblers; no I/O, no clock."""
