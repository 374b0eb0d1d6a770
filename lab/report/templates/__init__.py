"""The template, style and script of `report.html`; `lab.report.html` puts them into one file."""
