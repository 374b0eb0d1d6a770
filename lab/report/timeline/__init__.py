"""The timeline of a run as SVG: `chart` draws it, with the panels of `panels` on one time axis."""
