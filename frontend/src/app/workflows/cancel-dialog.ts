import { Component, computed, inject } from '@angular/core';
import { DIALOG_DATA, DialogRef } from '@angular/cdk/dialog';
import type { Workflow } from '../api/contracts';

/** Asks before anything is ended, by name; the safe answer has the focus. */
@Component({
  selector: 'lw-cancel-dialog',
  template: `
    <div class="dialog">
      <header>
        <h2 id="cancel-title">{{ question() }}</h2>
      </header>
      <div class="inside">
        @if (workflows.length > 1) {
          <ul class="names">
            @for (workflow of workflows; track workflow.id) {
              <li>
                <span dir="auto">{{ workflow.title || workflow.id }}</span>
                <span class="mono muted">{{ workflow.id }}</span>
              </li>
            }
          </ul>
        }
        <p class="ink-2">
          The executor ends the process. What it has done so far is not undone, and a cancelled
          workflow never runs on; a retry starts a new one.
        </p>
      </div>
      <footer>
        <span class="grow"></span>
        <button type="button" class="button" data-first (click)="dialog.close(false)">
          {{ workflows.length > 1 ? 'Keep them running' : 'Keep it running' }}
        </button>
        <button
          type="button"
          class="button primary danger"
          data-confirm
          (click)="dialog.close(true)"
        >
          {{
            workflows.length > 1 ? 'Cancel ' + workflows.length + ' workflows' : 'Cancel workflow'
          }}
        </button>
      </footer>
    </div>
  `,
  styles: `
    h2 {
      overflow-wrap: anywhere;
      padding: 16px 0;
    }
    .inside {
      padding: 16px 20px;
      overflow: auto;
    }
    .names {
      margin-bottom: 14px;
      border: 1px solid var(--line);
      border-radius: var(--radius-control);
      max-height: 240px;
      overflow: auto;
    }
    li {
      display: flex;
      flex-wrap: wrap;
      justify-content: space-between;
      gap: 0 12px;
      padding: 7px 12px;
    }
    li span:first-child {
      overflow-wrap: anywhere;
    }
    li + li {
      border-top: 1px solid var(--line);
    }
  `,
})
export class CancelDialog {
  protected readonly workflows = inject<readonly Workflow[]>(DIALOG_DATA);
  protected readonly dialog = inject<DialogRef<boolean>>(DialogRef);
  protected readonly question = computed(() => {
    const [first] = this.workflows;
    if (this.workflows.length > 1) return `Cancel ${this.workflows.length} workflows?`;
    return `Cancel “${first?.title || first?.id}”?`;
  });
}
