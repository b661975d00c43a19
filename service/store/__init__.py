"""The database, the only truth. Nothing outside this package imports sqlalchemy, and no row leaves it."""
