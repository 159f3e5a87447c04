"""ASK: which objects, in what order, which slice. Pure descriptions."""
