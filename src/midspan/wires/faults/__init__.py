"""What a link can do to the bytes that cross it, one module a fault, each named for what the wire does."""
