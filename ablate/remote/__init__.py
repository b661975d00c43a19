"""A study at a service: the client, and the documents that cross REST.

client              `ablate.Client`; `results`, `schedules` and `paper` are groups of its calls
documents/          requests and answers
choices, names      closed choices; what names a study or a trial
connection, follow  HTTP; a study's events until it is done
answers, errors     answers as documents; what a caller catches
"""
