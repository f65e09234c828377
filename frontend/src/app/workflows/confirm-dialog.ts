import { Component, inject } from '@angular/core';
import { DIALOG_DATA, DialogRef } from '@angular/cdk/dialog';
import type { Workflow } from '../api/contracts';

/** What is asked for, and of whom. */
export interface Confirmed {
  readonly act: 'cancel' | 'retry';
  readonly workflows: readonly Workflow[];
}

/** Asks before anything is ended, or much is started, by name; the safe answer has the focus. */
@Component({
  selector: 'lw-confirm-dialog',
  template: `
    <div class="dialog">
      <header>
        <h2 id="confirm-title">{{ words.question }}</h2>
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
        <p class="ink-2">{{ words.means }}</p>
      </div>
      <footer>
        <span class="grow"></span>
        <button type="button" class="button" data-first (click)="dialog.close(false)">
          {{ words.no }}
        </button>
        <button
          type="button"
          class="button primary"
          [class.danger]="act === 'cancel'"
          data-confirm
          (click)="dialog.close(true)"
        >
          {{ words.yes }}
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
export class ConfirmDialog {
  protected readonly act = inject<Confirmed>(DIALOG_DATA).act;
  protected readonly workflows = inject<Confirmed>(DIALOG_DATA).workflows;
  protected readonly dialog = inject<DialogRef<boolean>>(DialogRef);
  protected readonly words =
    this.act === 'cancel' ? cancelling(this.workflows) : retrying(this.workflows);
}

interface Words {
  readonly question: string;
  readonly means: string;
  readonly no: string;
  readonly yes: string;
}

function cancelling(workflows: readonly Workflow[]): Words {
  const many = workflows.length > 1;
  const [first] = workflows;
  return {
    question: many
      ? `Cancel ${workflows.length} workflows?`
      : `Cancel “${first?.title || first?.id}”?`,
    means:
      'The executor ends the process. What it has done so far is not undone, and a cancelled ' +
      'workflow never runs on; a retry starts a new one.',
    no: many ? 'Keep them running' : 'Keep it running',
    yes: many ? `Cancel ${workflows.length} workflows` : 'Cancel workflow',
  };
}

function retrying(workflows: readonly Workflow[]): Words {
  return {
    question: `Retry ${workflows.length} workflows?`,
    means:
      'Each begins anew with the same inputs, as a workflow of its own. These here stay as they ended.',
    no: 'Leave them',
    yes: `Retry ${workflows.length} workflows`,
  };
}
