"""Parts of self-contained HTML pages: text, lists of facts, and a security policy."""

import base64
import hashlib
import re
from collections.abc import Mapping
from html import escape


def text(value: str) -> str:
    """Escape text for HTML, and replace the characters that UTF-8 or HTML cannot hold."""
    return escape(re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", value))


def code(value: str) -> str:
    """Format a command as code that breaks only between words."""
    return f"<code>{' '.join(f'<span>{word}</span>' for word in text(value).split(' '))}</code>"


def facts(pairs: Mapping[str, str]) -> str:
    """Format a list of terms and values; the value of ``"command"`` is formatted as code."""
    if not pairs:
        return ""
    items = []
    for term, value in pairs.items():
        markup, kind = text(value), ""
        if term == "command":
            markup, kind = code(value), ' class="command"'
        items.append(f'<div{kind}><dt>{text(term)}</dt><dd dir="auto">{markup}</dd></div>')
    return f"<dl>{''.join(items)}</dl>"


def policy(style: str, script: str = "") -> str:
    """Return a Content-Security-Policy that allows only a page's own style and script."""

    def digest(part: str) -> str:
        return base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()

    own = f"script-src 'sha256-{digest(script)}'; " if script else ""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"{own}style-src 'sha256-{digest(style)}'"
    )
