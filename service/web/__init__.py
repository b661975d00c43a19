"""The page: server-rendered HTML at `/`. Its script refreshes, previews and calls REST.

routes  addresses
studies_view, study_view, trial_view, schedule_view, paper_view, compare_view, network_view  what a page shows
drafts, preview, line_numbers  the form for a new study
draw                           curves and intervals as SVG coordinates
render, errors                 templates, script and styles; problems as pages
help/                          the READMEs at `/help`
"""
