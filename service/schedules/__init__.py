"""What makes schedules fire and judges what they find. `service.schedules.calls` has the calls from outside.

instants    cron texts, zones, and the moments that follow from them
firing      the tick: what is due becomes firings, firings become studies, studies give numbers
launching   a firing's study
settling    a firing's numbers, and `alarming` what they say of drift
notifying   what operators are told of
histories   a schedule's firings as a picture
shapes      the documents of REST, with `firing_shapes` and `views`
"""
