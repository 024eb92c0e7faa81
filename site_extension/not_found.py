"""404.html, the page that a host shows for an address that does not exist.

Not by sphinx-notfound-page: its links hold the folder of the site, which is not known here, as the same pages
are opened on GitHub Pages, under localhost and from a folder.
"""

import html
from pathlib import Path
from urllib.parse import quote

from vae_lib.palette import css_variables

from .colours import icon

# One file, without the book's fonts: only its script finds out in which folder the other files are.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>No such page — {title}</title>
<link rel="icon" href="data:image/svg+xml,{icon}">
<style>
{light}
@media (prefers-color-scheme: dark) {{ {dark} }}
body {{
  margin: 0 auto; max-width: 40rem; padding: 12vh 1.2rem 2rem; background: var(--paper); color: var(--ink);
  font: 1.09rem/1.65 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
}}
h1 {{ font-size: 2.1rem; line-height: 1.2; }}
a {{ color: var(--prior); text-underline-offset: 0.15em; }}
ul {{ padding-left: 1.2rem; }}
li {{ margin: 0.3rem 0; }}
:focus-visible {{ outline: 3px solid var(--prior); outline-offset: 2px; }}
</style>
</head>
<body>
<main>
<h1>There is no such page</h1>
<p>The address may have been mistyped, or the page may have another name by now.
Begin at <a href="index.html">{title}</a>, or at one of its pages:</p>
<ul>
{pages}
</ul>
</main>
<script>
"use strict";
if (location.protocol !== "file:") {{
  const links = [...document.links].map((link) => [link, link.getAttribute("href")]);
  const lead = (root) => links.forEach(([link, to]) => link.setAttribute("href", root + to));
  // The site begins above the last /book/, or in the folder of the address …
  const path = location.pathname, folder = path.slice(0, path.lastIndexOf("/") + 1);
  const book = folder.lastIndexOf("/book/");
  lead(book < 0 ? folder : folder.slice(0, book + 1));
  // … unless the first folder on the way up that has the site's icon is another.
  const climb = async (root) => {{
    const answer = await fetch(root + "_static/icon.svg", {{ method: "HEAD" }});
    if (answer.ok) lead(root);
    else if (root !== "/") await climb(root.slice(0, root.lastIndexOf("/", root.length - 2) + 1));
  }};
  climb(folder).catch(() => {{}});
}}
</script>
</body>
</html>
"""


def write(app, exception):
    if exception or app.builder.format != "html":
        return
    titles = app.env.titles
    pages = [name for tree in app.env.toctree_includes.values() for name in tree if name in titles]
    addresses = [quote(app.builder.get_target_uri(name)) for name in pages]
    items = "\n".join(
        f'<li><a href="{address}">{html.escape(titles[name].astext())}</a></li>'
        for name, address in zip(pages, addresses, strict=True)
    )
    light, dark = css_variables(":root", ":root").splitlines()
    title = html.escape(app.config.html_title)
    page = PAGE.format(title=title, icon=quote(icon().strip()), light=light, dark=dark, pages=items)
    (Path(app.outdir) / "404.html").write_text(page, encoding="utf-8")


def setup(app):
    app.connect("build-finished", write)
