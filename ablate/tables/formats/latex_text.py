"""Any text as LaTeX that plain pdflatex prints: escaped specials, commands for Unicode, else the code point.

No package is needed. A long word gets places at which a line may break.
"""

from __future__ import annotations

import re
import unicodedata

from ablate.text import on_one_line

LONG_WORD, WHOLE, PIECE = 18, 12, 9
"""Largest length of a word that stays whole, of a part of a longer word, and length of the pieces of a longer part."""

SPECIALS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textquoteleft{}",
}  # fmt: skip
LIGATURES = re.compile(r"(['-])(?=\1)")
"""Characters whose doubles LaTeX would join into one."""

SYMBOLS = {
    "\u2212": "$-$", "±": r"$\pm$", "×": r"$\times$", "÷": r"$\div$", "·": r"$\cdot$", "°": r"$^\circ$",
    "→": r"$\rightarrow$", "←": r"$\leftarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "↔": r"$\leftrightarrow$",
    "⇒": r"$\Rightarrow$", "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "∞": r"$\infty$",
    "√": r"$\surd$", "✓": r"$\surd$", "∑": r"$\sum$",
    "∈": r"$\in$", "∅": r"$\emptyset$", "∘": r"$\circ$", "⊕": r"$\oplus$",
    "⊗": r"$\otimes$", "–": "--", "—": "---", "…": r"\ldots{}", "‘": r"\textquoteleft{}", "’": r"\textquoteright{}",
    "“": "``", "”": "''", "•": r"$\bullet$", "†": r"\dag{}", "‡": r"\ddag{}", "§": r"\S{}", "©": r"\copyright{}",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}",
    "¡": r"\textexclamdown{}", "¿": r"\textquestiondown{}", "£": r"\pounds{}", "¥": r"Y\llap{=}", "¢": r"c\llap{/}",
    "€": "EUR", "®": r"\textregistered{}", "¶": r"\P{}", "¬": r"$\neg$", "«": r"$\ll$", "»": r"$\gg$",
    "¦": r"\textbar{}", "´": r"\textquoteright{}", "\u00ad": r"\-", "\u2044": "/",
    "ł": r"\l{}", "Ł": r"\L{}", "å": r"\aa{}", "Å": r"\AA{}", "ı": r"\i{}",
}  # fmt: skip

GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "omicron", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
"""Small letters in the order of Unicode; LaTeX has no omicron."""
SYMBOLS |= {chr(0x3B1 + index): f"$\\{name}$" for index, name in enumerate(GREEK) if name != "omicron"}
SYMBOLS |= dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", (
    r"$\Gamma$", r"$\Delta$", r"$\Theta$", r"$\Lambda$", r"$\Xi$", r"$\Pi$", r"$\Sigma$", r"$\Upsilon$", r"$\Phi$",
    r"$\Psi$", r"$\Omega$",
), strict=True))  # fmt: skip

ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0304": "=", "\u0307": ".",
    "\u0306": "u ", "\u030a": "r ", "\u030b": "H ", "\u030c": "v ", "\u0327": "c ", "\u0323": "d ",
}  # fmt: skip
"""Combining mark -> accent command."""

RAISED = {"<super>": r"\textsuperscript", "<sub>": r"\textsubscript"}


def escape_latex(text: str) -> str:
    """Text as LaTeX source on one line; its first character cannot become an option of the preceding command."""
    words = [_word(word) for word in on_one_line(text).split()]
    line = " ".join(words)
    return "{}" + line if line.startswith(("[", "*")) else line


def _word(word: str) -> str:
    """A word; a long word may break after its punctuation, else after some characters."""
    if len(word) <= LONG_WORD:
        return _characters(word)
    parts = re.findall(r"[^-/_.,:=+]*[-/_.,:=+]+|[^-/_.,:=+]+", word)
    cuts = ([part] if len(part) <= WHOLE else re.findall(rf".{{1,{PIECE}}}", part) for part in parts)
    return r"\allowbreak{}".join(_characters(piece) for pieces in cuts for piece in pieces)


def _characters(text: str) -> str:
    """An escaped piece of a word. Doubled quotes and hyphens are separated."""
    pieces = LIGATURES.sub("\\1\0", unicodedata.normalize("NFC", text))
    return "".join("{}" if character == "\0" else _character(character) for character in pieces)


def _character(character: str) -> str:
    if character in SPECIALS:
        return SPECIALS[character]
    if character.isascii():
        return character
    return SYMBOLS.get(character) or _accented(character) or _compatible(character)


def _accented(character: str) -> str | None:
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[1] in ACCENTS and parts[0].isascii() and parts[0].isalpha():
        return f"\\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return None


def _compatible(character: str) -> str:
    """The base form of a ligature, a fraction or a superscript, else the code point."""
    form, plain = unicodedata.decomposition(character), unicodedata.normalize("NFKD", character)
    if plain == character or not all(each in SYMBOLS or (each.isascii() and each.isprintable()) for each in plain):
        return f"U+{ord(character):04X}" + r"\allowbreak{}"
    raised = next((command for mark, command in RAISED.items() if form.startswith(mark)), None)
    return f"{raised}{{{_characters(plain)}}}" if raised else _characters(plain)
