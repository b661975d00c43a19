"""The database, the only truth. Only this package imports sqlalchemy, and no row leaves it.

tables, schema, migrations/  tables and their version
session, lock, sql           connections and transactions; one scheduler a database; shared parts of statements
studies, cells, overview     studies; their cells and trials; studies at a glance
live_cells, mirror_queries   what the page and the mirror read
tries                        rows by their recipes, so that a try again is known as one
home                         the state directory, which only its owner may enter
queue/                       states of a trial, claims, retries, events
schedules/                   schedules, firings, alarms, notices
costs, heartbeat             counted costs; what the scheduler reports, and counts for health
"""
