/**
 * What people ask of workflows: cancel, retry, reconcile.
 *
 * Nothing is shown before the server has said it: a pressed button says that it was asked, and only an
 * answer or the stream changes a status.
 */
import { Service, inject, signal } from '@angular/core';
import { Dialog } from '@angular/cdk/dialog';
import { firstValueFrom } from 'rxjs';
import { Api } from '../api/api';
import { ApiError, sentence } from '../api/api-error';
import type { Workflow } from '../api/contracts';
import { Notices } from '../shared/notices';
import { clockTime } from '../shared/times';
import { ServerClock } from '../shared/server-clock';
import { ConfirmDialog, type Confirmed } from './confirm-dialog';

export type Act = 'cancel' | 'reconcile' | 'retry';

@Service()
export class Commands {
  private readonly api = inject(Api);
  private readonly dialog = inject(Dialog);
  private readonly notices = inject(Notices);
  private readonly clock = inject(ServerClock);
  private readonly asked = signal<ReadonlyMap<string, Act>>(new Map());
  private readonly refused = signal(false);

  /** What was asked of which workflow and is not answered yet. */
  readonly pending = this.asked.asReadonly();
  /** Whether the server has said that this person may only look. */
  readonly viewerOnly = this.refused.asReadonly();

  /** Asks a person, then the server; null where the person kept it running or the server refused. */
  async cancel(workflows: readonly Workflow[]): Promise<readonly Workflow[]> {
    const live = workflows.filter((workflow) => !workflow.isTerminal);
    if (live.length === 0 || !(await this.confirm({ act: 'cancel', workflows: live }))) return [];
    return this.all('cancel', live);
  }

  reconcile(workflows: readonly Workflow[]): Promise<readonly Workflow[]> {
    return this.all(
      'reconcile',
      workflows.filter((workflow) => !workflow.isTerminal),
    );
  }

  /** Starts each anew, as a workflow of its own; the answers are the new ones. Many only after a question. */
  async retry(workflows: readonly Workflow[]): Promise<readonly Workflow[]> {
    const ended = workflows.filter((workflow) => workflow.isTerminal);
    const asks = ended.length > 1;
    if (asks && !(await this.confirm({ act: 'retry', workflows: ended }))) return [];
    return this.all('retry', ended);
  }

  private async confirm(asked: Confirmed): Promise<boolean> {
    const chosen = this.dialog.open<boolean>(ConfirmDialog, {
      data: asked,
      autoFocus: '[data-first]',
      backdropClass: 'scrim',
      panelClass: ['dialog-panel', 'sheet'],
      width: '480px',
      ariaLabelledBy: 'confirm-title',
    });
    return (await firstValueFrom(chosen.closed)) === true;
  }

  private async all(act: Act, workflows: readonly Workflow[]): Promise<readonly Workflow[]> {
    const answers: Workflow[] = [];
    // One after another: a bulk of a hundred must not be a burst of a hundred.
    for (const workflow of workflows) {
      const answer = await this.one(act, workflow);
      if (answer) answers.push(answer);
    }
    if (workflows.length > 1 && answers.length > 0) {
      this.notices.done(`${SUMMED[act]} ${answers.length} of ${workflows.length} workflows`);
    }
    return answers;
  }

  private async one(act: Act, workflow: Workflow): Promise<Workflow | null> {
    this.asked.update((map) => new Map(map).set(workflow.id, act));
    try {
      return await this.api.command(workflow.id, act);
    } catch (error) {
      if (error instanceof ApiError && error.status === 403) this.refused.set(true);
      this.notices.refused(`${titleOf(workflow)}: ${this.explain(error)}`);
      return null;
    } finally {
      this.asked.update((map) => {
        const rest = new Map(map);
        rest.delete(workflow.id);
        return rest;
      });
    }
  }

  private explain(error: unknown): string {
    const stands = error instanceof ApiError ? error.problem.workflow : null;
    if (stands?.finished_at) {
      const when = clockTime(stands.finished_at, this.clock.now());
      return `Already ended: ${stands.status} at ${when}. Nothing was changed.`;
    }
    return sentence(error);
  }
}

const SUMMED: Readonly<Record<Act, string>> = {
  cancel: 'Cancel asked for',
  reconcile: 'Checked',
  retry: 'Started anew',
};

/** What people call a workflow. */
export function titleOf(workflow: Pick<Workflow, 'title' | 'id'>): string {
  return workflow.title || workflow.id;
}
