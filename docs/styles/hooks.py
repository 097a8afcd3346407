"""A hook of mkdocs (``mkdocs.yml``)."""

import re


def on_page_content(html, page, **_):
    """Make links of notebooks lead to pages: mkdocs does so for Markdown alone."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    return re.sub(r'href="([\w./-]+)\.md(["#])', r'href="\1.html\2', html)
