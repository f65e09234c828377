import { Component, computed, input } from '@angular/core';
import { renderMarkdown } from './markdown';

/** Markdown as people read it. Angular cleans the HTML once more; nothing in it runs or is fetched. */
@Component({
  selector: 'lw-markdown-view',
  template: `<div class="prose" dir="auto" [innerHTML]="html()"></div>`,
})
export class MarkdownView {
  readonly text = input.required<string>();
  protected readonly html = computed(() => renderMarkdown(this.text()));
}
