/**
 * Markdown to HTML that neither runs nor fetches anything.
 *
 * Raw HTML in the text is shown as text, pictures become links, and links go to the web only. What comes
 * out is cleaned by Angular again when it is bound; this is the first of two locks.
 */
import { Marked } from 'marked';

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => link(href, escape(text || href)),
    link({ href, tokens }) {
      return link(href, this.parser.parseInline(tokens));
    },
  },
});

export function renderMarkdown(text: string): string {
  return marked.parse(text, { async: false });
}

function link(href: string, words: string): string {
  if (!/^(https?:|mailto:)/i.test(href)) return words;
  return `<a href="${escape(href)}" target="_blank" rel="noopener noreferrer nofollow">${words}</a>`;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
