import { DOCUMENT, Service, inject, signal } from '@angular/core';
import type { Workflow } from '../api/contracts';
import { Notices } from '../shared/notices';
import { signOf } from '../signs/status-sign';

/** Tells someone who asked for it that a workflow has ended: by the system while the page is hidden. */
@Service()
export class CompletionBell {
  private readonly document = inject(DOCUMENT);
  private readonly notices = inject(Notices);
  private readonly wanted = signal<ReadonlySet<string>>(new Set());
  private readonly all = signal(false);
  private readonly live = new Set<string>();

  possible(): boolean {
    return 'Notification' in globalThis;
  }

  watches(id: string): boolean {
    return this.all() || this.wanted().has(id);
  }

  async toggle(id: string): Promise<void> {
    const ids = new Set(this.wanted());
    if (ids.delete(id)) {
      this.wanted.set(ids);
      return;
    }
    if (!(await this.mayTell())) return;
    this.wanted.set(ids.add(id));
  }

  async watchAll(): Promise<void> {
    if (await this.mayTell()) this.all.set(true);
  }

  /** Hears how a workflow stands; tells once when it has ended before these eyes. */
  tell(workflow: Workflow): void {
    if (!workflow.isTerminal) {
      this.live.add(workflow.id);
      return;
    }
    if (!this.live.delete(workflow.id) || !this.watches(workflow.id)) return;
    const text = `${signOf(workflow).label}: ${workflow.title || workflow.id}`;
    if (this.document.visibilityState === 'hidden' && this.possible()) {
      new Notification(text, { tag: workflow.id, body: workflow.definition });
    } else {
      this.notices.done(text);
    }
  }

  private async mayTell(): Promise<boolean> {
    if (!this.possible()) return false;
    if (Notification.permission === 'granted') return true;
    const answer = await Notification.requestPermission();
    if (answer === 'granted') return true;
    this.notices.refused(
      'The browser does not let this page notify you. Its settings can change that.',
    );
    return false;
  }
}
