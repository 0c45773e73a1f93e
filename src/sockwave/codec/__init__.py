"""Wire formats: pure functions between bytes and values, small reassemblers; no I/O, no clock.

Beside each other they import only what everybody may: errors, types, platform.
"""
