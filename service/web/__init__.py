"""The page: server-rendered HTML at `/`. Its script refreshes, previews and calls REST.

routes, study_routes, schedule_routes, paper_routes, compare_routes  addresses
studies_view, study_view, trial_view, schedule_view, paper_view, compare_view, network_view  what a page shows
drafts, preview, line_numbers  the form for a new study
draw                           curves and intervals as SVG coordinates
render, errors, assets         templates; problems as pages; script and styles
help/                          the READMEs at `/help`
"""
