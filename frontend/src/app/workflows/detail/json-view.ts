import { Component, computed, input } from '@angular/core';
import { CopyButton } from '../../shared/copy-button';

/** A value as JSON, to read and to copy. Text only: whatever is in it, nothing of it runs. */
@Component({
  selector: 'lw-json-view',
  imports: [CopyButton],
  template: `
    <div class="box">
      <pre tabindex="0" role="region" [attr.aria-label]="name()" dir="auto">{{ text() }}</pre>
      <lw-copy-button [text]="text()" [name]="name()" />
    </div>
  `,
  styles: `
    .box {
      position: relative;
    }
    pre {
      font: 400 12px/20px var(--mono);
      letter-spacing: -0.02em;
      background: var(--sunken);
      border: 1px solid var(--line);
      border-radius: var(--radius-control);
      padding: 12px 44px 12px 14px;
      white-space: pre-wrap;
      overflow-wrap: anywhere;
      overflow: auto;
      max-height: 560px;
    }
    lw-copy-button {
      position: absolute;
      top: 8px;
      right: 8px;
    }
  `,
})
export class JsonView {
  readonly value = input.required<unknown>();
  readonly name = input('JSON');
  protected readonly text = computed(() => JSON.stringify(this.value(), null, 2) ?? 'null');
}
