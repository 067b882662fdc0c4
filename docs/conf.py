"""How the site is built: `make docs`."""

import jobkit

project = "jobkit"
author = "the jobkit maintainers"
version = release = jobkit.__version__

extensions = ["myst_parser"]
root_doc = "index"
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "examples/**/README.md"]
myst_heading_anchors = 3
# Pages link to files of the repository, which are no pages of the site.
suppress_warnings = ["myst.xref_missing"]

html_theme = "furo"
html_title = "jobkit"
html_show_sourcelink = False
html_show_copyright = False
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
