"""The service: REST, the page, the queue, the schedules, the mirror.

app, serve                web application; `ablate serve`
api/ web/                 routes of REST; the page
studies/ schedules/       use cases
running/ dispatch/        the scheduler; Ray or local processes
store/ tracking/          the database; MLflow
documents/                states and values that only the service needs
context, settings, address, health, costs, errors
"""
