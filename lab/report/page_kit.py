"""The common parts of all HTML pages of the lab: template environment, style, and a Content-Security-Policy."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..output.inert import finalize

TEMPLATES = Path(__file__).with_name("templates")


def render(
    template: Path,
    style: Path | None,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., str]] | None = None,
    script: Path | None = None,
    rules: str = "",
) -> str:
    """Render one page as a single file that opens offline.

    `style` is a CSS file appended to the style of the reports, whose colours and fonts all pages share; `rules` is more
    CSS, which must not contain text from outside. The template
    gets `values`, and also `style`, `script` and `policy`: a Content-Security-Policy that permits only this style and
    this script, by their SHA-256 (CSP Level 3, section 2.3.1). All other text is escaped.
    """
    css = (TEMPLATES / "report.css").read_text("utf-8") + (style.read_text("utf-8") if style else "") + rules
    code = script.read_text("utf-8") if script else ""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    scripts = f" script-src '{_digest(code)}';" if code else ""
    return environment.get_template(template.name).render(
        **values,
        style=Markup(css),  # our own file, not input
        script=Markup(code),  # our own file, not input
        policy=f"default-src 'none'; style-src '{_digest(css)}';{scripts} base-uri 'none'",
    )


def _digest(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
