import { Service, inject, signal } from '@angular/core';
import { LiveAnnouncer } from '@angular/cdk/a11y';

export interface Notice {
  readonly id: number;
  readonly kind: 'done' | 'refused';
  readonly text: string;
  /** Where to read more: the path of a page of this app. */
  readonly link: string | null;
}

/** What is done leaves by itself; what was refused stays until someone has read it. */
const DONE_MS = 6_000;

/** What came of something that someone asked for. */
@Service()
export class Notices {
  private readonly announcer = inject(LiveAnnouncer);
  private readonly held = signal<readonly Notice[]>([]);
  private next = 1;
  readonly all = this.held.asReadonly();

  done(text: string, link: string | null = null): void {
    const id = this.add({ kind: 'done', text, link });
    setTimeout(() => this.dismiss(id), DONE_MS);
  }

  refused(text: string): void {
    this.add({ kind: 'refused', text, link: null });
  }

  dismiss(id: number): void {
    this.held.update((notices) => notices.filter((notice) => notice.id !== id));
  }

  private add(notice: Omit<Notice, 'id'>): number {
    const id = this.next++;
    this.held.update((notices) => [...notices.slice(-3), { ...notice, id }]);
    void this.announcer.announce(notice.text, notice.kind === 'refused' ? 'assertive' : 'polite');
    return id;
  }
}
