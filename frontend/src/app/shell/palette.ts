import { ActiveDescendantKeyManager, type Highlightable } from '@angular/cdk/a11y';
import { DialogRef } from '@angular/cdk/dialog';
import {
  Component,
  DestroyRef,
  Directive,
  ElementRef,
  Injector,
  computed,
  effect,
  inject,
  input,
  signal,
  viewChildren,
} from '@angular/core';
import { Router } from '@angular/router';
import { Api } from '../api/api';
import type { Workflow } from '../api/contracts';
import { Icon, type IconName } from '../shared/icon';
import { StatusIcon } from '../signs/status-icon';
import { signOf } from '../signs/status-sign';
import { StartOpener } from '../start/start-opener';
import { CompletionBell } from './completion-bell';
import { Overlays } from './overlays';
import { Shortcuts } from './shortcuts';
import { Theme } from './theme';

interface Command {
  readonly name: string;
  readonly icon: IconName;
  readonly keys?: string;
  readonly run: () => void;
}

/** How long a search waits for the next letter, in ms. */
const PAUSE_MS = 160;

/** One choice of the palette. */
@Directive({
  selector: '[lwChoice]',
  host: { '[class.active]': 'active()', '[attr.aria-selected]': 'active()', role: 'option' },
})
export class Choice implements Highlightable {
  readonly run = input.required<() => void>({ alias: 'lwChoice' });
  protected readonly active = signal(false);
  private readonly element = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;

  get id(): string {
    return this.element.id;
  }

  setActiveStyles(): void {
    this.active.set(true);
    this.element.scrollIntoView?.({ block: 'nearest' });
  }

  setInactiveStyles(): void {
    this.active.set(false);
  }
}

/** Finds workflows and runs commands, all by keyboard. */
@Component({
  selector: 'lw-palette',
  imports: [Choice, Icon, StatusIcon],
  template: `
    <div class="dialog">
      <h2 id="palette-label" class="sr-only">Search, or run a command</h2>
      <div class="ask">
        <lw-icon name="search" />
        <input
          #box
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-choices"
          aria-autocomplete="list"
          [attr.aria-activedescendant]="activeId()"
          aria-label="Search, or run a command"
          placeholder="A workflow's name or id, or a command"
          autocomplete="off"
          spellcheck="false"
          (input)="text.set(box.value)"
          (keydown)="steer($event)"
        />
        <kbd>Esc</kbd>
      </div>
      <div id="palette-choices" role="listbox" aria-label="Choices" class="choices">
        @if (found().length > 0) {
          <div class="label group" role="presentation">Workflows</div>
          @for (one of found(); track one.workflow.id) {
            <div
              class="entry {{ one.sign.tone }}"
              [id]="'found-' + one.workflow.id"
              [lwChoice]="one.run"
              (click)="one.run()"
              (keydown.enter)="one.run()"
              tabindex="-1"
            >
              <lw-status-icon [shape]="one.sign.shape" />
              <span class="clip grow">{{ one.workflow.title || one.workflow.id }}</span>
              <span class="muted clip">{{ one.workflow.definition }}</span>
            </div>
          }
        }
        @if (commands().length > 0) {
          <div class="label group" role="presentation">Commands</div>
          @for (command of commands(); track command.name) {
            <div
              class="entry"
              [id]="'command-' + $index"
              [lwChoice]="command.run"
              (click)="command.run()"
              (keydown.enter)="command.run()"
              tabindex="-1"
            >
              <lw-icon [name]="command.icon" />
              <span class="grow">{{ command.name }}</span>
              @if (command.keys) {
                <kbd>{{ command.keys }}</kbd>
              }
            </div>
          }
        }
        @if (found().length === 0 && commands().length === 0) {
          <p class="muted none">Nothing is called that.</p>
        }
      </div>
    </div>
  `,
  styles: `
    .dialog {
      max-height: 64dvh;
    }
    .ask {
      display: flex;
      align-items: center;
      gap: 10px;
      padding: 0 16px;
      min-height: 52px;
      border-bottom: 1px solid var(--line);
      color: var(--ink-3);
    }
    input {
      flex: 1;
      min-width: 0;
      height: 52px;
      border: 0;
      background: none;
      outline: none;
      font-size: 16px;
      color: var(--ink);
    }
    input::placeholder {
      color: var(--ink-3);
      opacity: 1;
    }
    .choices {
      padding: 8px;
      overflow: auto;
    }
    .group {
      padding: 8px 10px 4px;
    }
    .entry {
      display: flex;
      align-items: center;
      gap: 10px;
      min-height: 36px;
      padding: 4px 10px;
      border-radius: var(--radius-control);
      cursor: pointer;
    }
    .entry > lw-icon {
      color: var(--ink-3);
    }
    .entry > lw-status-icon {
      color: var(--tone);
    }
    .entry.active,
    .entry:hover {
      background: var(--selected);
    }
    .none {
      padding: 20px 10px;
    }
    @media (max-width: 760px) {
      .entry {
        min-height: 44px;
      }
    }
  `,
})
export class Palette {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  private readonly dialog = inject<DialogRef>(DialogRef);
  private readonly start = inject(StartOpener);
  private readonly overlays = inject(Overlays);
  private readonly theme = inject(Theme);
  private readonly shortcuts = inject(Shortcuts);
  private readonly bell = inject(CompletionBell);
  private readonly choices = viewChildren(Choice);
  protected readonly text = signal('');
  private readonly hits = signal<readonly Workflow[]>([]);
  protected readonly activeId = signal<string | null>(null);
  private readonly manager = new ActiveDescendantKeyManager(
    this.choices,
    inject(Injector),
  ).withWrap();

  protected readonly found = computed(() =>
    this.hits().map((workflow) => ({
      workflow,
      sign: signOf(workflow),
      run: () => this.leave(() => void this.router.navigate(['/workflows', workflow.id])),
    })),
  );
  private readonly known: readonly Command[] = [
    {
      name: 'Start a workflow',
      icon: 'plus',
      keys: 'c',
      run: () => this.leave(() => this.start.open()),
    },
    { name: 'Go to workflows', icon: 'list', keys: 'g w', run: this.go('/workflows') },
    { name: 'Show what failed', icon: 'warn', run: this.go('/workflows?status=failed') },
    { name: 'Show what is in doubt', icon: 'ask', run: this.go('/workflows?show=doubt') },
    {
      name: 'Show what is live',
      icon: 'pulse',
      run: this.go('/workflows?status=pending,running,cancelling'),
    },
    { name: 'Go to operations', icon: 'pulse', keys: 'g o', run: this.go('/operations') },
    { name: 'Go to definitions', icon: 'columns', keys: 'g d', run: this.go('/definitions') },
    { name: 'Theme: light', icon: 'sun', run: () => this.leave(() => this.theme.set('light')) },
    { name: 'Theme: dark', icon: 'moon', run: () => this.leave(() => this.theme.set('dark')) },
    {
      name: 'Theme: as the system',
      icon: 'contrast',
      run: () => this.leave(() => this.theme.set('system')),
    },
    {
      name: 'Tell me when any workflow on the page ends',
      icon: 'bell',
      run: () => this.leave(() => void this.bell.watchAll()),
    },
    {
      name: 'Keyboard shortcuts',
      icon: 'keyboard',
      keys: '?',
      run: () => this.leave(() => this.overlays.openKeys()),
    },
    {
      name: 'Turn single-key shortcuts on or off',
      icon: 'keyboard',
      run: () => this.leave(() => this.shortcuts.enable(!this.shortcuts.enabled())),
    },
    { name: 'Log out', icon: 'close', run: () => this.leave(() => void this.logOut()) },
  ];
  protected readonly commands = computed(() => {
    const words = this.text().trim().toLowerCase().split(/\s+/);
    return this.known.filter((command) =>
      words.every((word) => command.name.toLowerCase().includes(word)),
    );
  });

  constructor() {
    let asked = 0;
    effect((onCleanup) => {
      const text = this.text().trim();
      const mine = ++asked;
      const timer = setTimeout(() => void this.find(text, () => mine === asked), PAUSE_MS);
      onCleanup(() => clearTimeout(timer));
    });
    effect(() => {
      if (this.choices().length > 0) this.manager.setFirstItemActive();
    });
    const following = this.manager.change.subscribe(() =>
      this.activeId.set(this.manager.activeItem?.id ?? null),
    );
    inject(DestroyRef).onDestroy(() => {
      following.unsubscribe();
      this.manager.destroy();
    });
  }

  /** What the page has shown must not stay on it, so it loads anew. */
  private async logOut(): Promise<void> {
    try {
      await this.api.logOut();
    } finally {
      location.reload();
    }
  }

  protected steer(event: KeyboardEvent): void {
    if (event.key === 'Enter') {
      event.preventDefault();
      this.manager.activeItem?.run()();
    } else {
      this.manager.onKeydown(event);
    }
  }

  private async find(text: string, current: () => boolean): Promise<void> {
    try {
      const { body } = await this.api.list({ q: text || undefined, limit: text ? '8' : '4' }, null);
      if (current()) this.hits.set(body?.items ?? []);
    } catch {
      if (current()) this.hits.set([]);
    }
  }

  private go(path: string): () => void {
    return () => this.leave(() => void this.router.navigateByUrl(path));
  }

  private leave(then: () => void): void {
    this.dialog.closed.subscribe(() => setTimeout(then));
    this.dialog.close();
  }
}
