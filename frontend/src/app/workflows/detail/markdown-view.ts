import { Component, computed, input } from '@angular/core';
import { renderMarkdown } from './markdown';

/** Markdown as people read it. Angular cleans the HTML once more; nothing in it runs or is fetched. */
@Component({
  selector: 'lw-markdown-view',
  template: `<div class="prose" dir="auto" [innerHTML]="html()"></div>`,
  styles: `
    .prose {
      font-size: 14px;
      line-height: 22px;
      max-width: 76ch;
      overflow-wrap: anywhere;
    }
    .prose ::ng-deep {
      h1,
      h2,
      h3,
      h4 {
        font-weight: 620;
        letter-spacing: -0.012em;
        margin: 20px 0 6px;
        line-height: 1.35;
      }
      h1 {
        font-size: 19px;
      }
      h2 {
        font-size: 16px;
      }
      h3,
      h4 {
        font-size: 14px;
      }
      > :first-child {
        margin-top: 0;
      }
      p,
      ul,
      ol,
      pre,
      table,
      blockquote {
        margin: 0 0 12px;
      }
      ul {
        list-style: disc;
      }
      ol {
        list-style: decimal;
      }
      ul,
      ol {
        padding-left: 22px;
      }
      code {
        font: 400 12.5px/1.5 var(--mono);
        background: var(--sunken);
        border-radius: var(--radius-code);
        padding: 1px 4px;
      }
      pre {
        background: var(--sunken);
        border: 1px solid var(--line);
        border-radius: var(--radius-control);
        padding: 10px 12px;
        overflow: auto;
      }
      pre code {
        background: none;
        padding: 0;
      }
      blockquote {
        border-left: 2px solid var(--line-2);
        padding-left: 12px;
        color: var(--ink-2);
      }
      a {
        color: var(--running);
        text-decoration: underline;
        text-underline-offset: 3px;
      }
      table {
        border-collapse: collapse;
        display: block;
        overflow: auto;
      }
      th,
      td {
        border: 1px solid var(--line);
        padding: 5px 10px;
        text-align: left;
      }
      hr {
        border: 0;
        border-top: 1px solid var(--line);
      }
    }
  `,
})
export class MarkdownView {
  readonly text = input.required<string>();
  protected readonly html = computed(() => renderMarkdown(this.text()));
}
