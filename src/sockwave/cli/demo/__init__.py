"""A small chat that shows what Sockwave does: `sockwave demo`."""
