"""Networks: our own and foreign ones, their activation call sites, surgery on them, and what they cost.

`client` and `call_site` import without torch; everything else here needs it.
"""
