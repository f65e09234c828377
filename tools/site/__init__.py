"""The documentation as a site: laid out from the Markdown in docs/, built by Zensical, and looked through.

The pages are written for both GitHub and the site, so nothing of a site's own stands in them.  What differs
is done here: README.md becomes the first page, links that leave docs/ are led to copies, fonts and scripts
come from the app's packages, and the built HTML is searched for links that lead nowhere and for anything that
a reader's browser would fetch from elsewhere.

Zensical is what the makers of Material for MkDocs, whose end of life is May 2027, make in its stead.  It is
young, so little is asked of it: a theme, Markdown, a search.  The order of pages is in docs/.nav.yml, in the
words of awesome-nav, which MkDocs and its heirs know as well.
"""
