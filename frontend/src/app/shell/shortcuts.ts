import { DOCUMENT, DestroyRef, Service, inject, signal } from '@angular/core';
import { recall, remember } from '../shared/memory';

/** A key, or two in a row (`g w`), and what it does. */
export interface Shortcut {
  readonly keys: string;
  readonly does: string;
  readonly act: () => void;
  /** Works while typing too. */
  readonly always?: boolean;
}

const CHORD_MS = 1_200;
const KEY = 'lastword.shortcuts';

/** Keys of the page that is open, over those of the whole app. Single keys rest while someone types. */
@Service()
export class Shortcuts {
  private readonly document = inject(DOCUMENT);
  private readonly layers = signal<readonly (readonly Shortcut[])[]>([]);
  private readonly on = signal(recall(KEY, true));
  private begun: { readonly key: string; readonly at: number } | null = null;

  /** Whether single keys work. */
  readonly enabled = this.on.asReadonly();
  readonly all = this.layers.asReadonly();

  constructor() {
    const hear = (event: KeyboardEvent) => this.hear(event);
    this.document.addEventListener('keydown', hear);
    inject(DestroyRef).onDestroy(() => this.document.removeEventListener('keydown', hear));
  }

  /** Adds keys until `until` is destroyed; the latest page wins. */
  use(shortcuts: readonly Shortcut[], until: DestroyRef): void {
    this.layers.update((layers) => [...layers, shortcuts]);
    until.onDestroy(() =>
      this.layers.update((layers) => layers.filter((layer) => layer !== shortcuts)),
    );
  }

  enable(on: boolean): void {
    this.on.set(on);
    remember(KEY, on);
  }

  private hear(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing) return;
    const key = spell(event);
    const plain = !key.startsWith('Ctrl+');
    if (plain && (!this.on() || isTyping(event) || this.isCovered())) return;
    const chord =
      this.begun && event.timeStamp - this.begun.at < CHORD_MS ? `${this.begun.key} ${key}` : null;
    this.begun = null;
    const found = (chord && this.find(chord)) || this.find(key);
    if (found) {
      event.preventDefault();
      found.act();
    } else if (this.begins(key)) {
      this.begun = { key, at: event.timeStamp };
    }
  }

  private find(keys: string): Shortcut | undefined {
    for (const layer of [...this.layers()].reverse()) {
      const found = layer.find((shortcut) => shortcut.keys === keys);
      if (found) return found;
    }
    return undefined;
  }

  private begins(key: string): boolean {
    return this.layers().some((layer) =>
      layer.some((shortcut) => shortcut.keys.startsWith(`${key} `)),
    );
  }

  /** A dialog has the keyboard for itself. */
  private isCovered(): boolean {
    return this.document.querySelector('.cdk-overlay-backdrop.scrim, [cdkMenu]') !== null;
  }
}

function spell(event: KeyboardEvent): string {
  if (event.ctrlKey || event.metaKey) return `Ctrl+${event.key.toLowerCase()}`;
  if (event.altKey) return `Alt+${event.key}`;
  return event.shiftKey &&
    event.key.length === 1 &&
    event.key.toLowerCase() !== event.key.toUpperCase()
    ? `Shift+${event.key.toLowerCase()}`
    : event.key;
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'button'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
