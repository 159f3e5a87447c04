"""What each method does: flows that yield operations and return the answer."""
