"""The limits on what a document may contain: the same for files, bodies, the page and Python.

Each one is checked before the work that it limits: those of a text and its values in `ablate.study.scan`, those of a
study where it is validated and planned. This module imports nothing, so every layer can use it.
"""

MAX_BYTES = 1 << 20
"""Bytes of a text; the service's `ABLATE_MAX_BODY_BYTES` replaces it for bodies."""
MAX_DEPTH = 32
"""Tables and lists inside each other."""
MAX_KEYS = 10_000
"""Keys of one table."""
MAX_ENTRIES = 50_000
"""Keys of a whole text, and headers of TOML."""
MAX_VALUES = 100_000
"""Items of all lists of a text together."""
MAX_DIGITS = 308
"""Digits of a number: as many as the largest double has."""
MAX_STRING = 64 << 10
"""Bytes of one string or key in UTF-8."""

MAX_AXES = 32
"""Factors of a study."""
MAX_ITEMS = 10_000
"""Items of a list in a study: rows, levels of a factor, exclusions, seeds."""
MAX_TRIALS = 10_000
"""Trials of a study, unless `ABLATE_MAX_TRIALS` is set."""
MAX_WORKERS = 4_096
"""Trials at the same time on one machine."""
MAX_GROUPS = 64
"""Groups side by side, each of which is a column of a table."""
MAX_LABEL = 200
"""Characters of a label, a level's included."""
MAX_LABELS = 20_000_000
"""Characters of the labels of all cells of a grid, each of which joins those of its levels."""

MAX_FINDINGS = 100
"""Problems that are described."""
MAX_COUNTED = 1_000
"""Problems after which the search for further ones ends."""
MAX_NAME = 64
"""Characters of a mistyped name for which a similar one is looked up."""
MAX_SIFTED = 600
"""Names among which those like a mistyped one are looked for; of more, those of the most similar length."""
MAX_COMPARED = 64
"""Names with which it is compared in full; of more, those that begin and end most like it."""
