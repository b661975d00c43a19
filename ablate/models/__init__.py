"""Networks: our own and those of torchvision and timm, their activation call sites, their surgery and their cost.

`client` and `call_site` import without torch; the other modules need it.
"""
