"""Routes: parse, call one function, return. No SQL, no branching on state."""
