import { DOCUMENT, Service, computed, inject, signal } from '@angular/core';

export type ThemeChoice = 'system' | 'light' | 'dark';

const NEXT: Readonly<Record<ThemeChoice, ThemeChoice>> = {
  system: 'light',
  light: 'dark',
  dark: 'system',
};

/** Light, dark, or as the system has it. `theme.js` applies the choice before the first paint. */
@Service()
export class Theme {
  private readonly root = inject(DOCUMENT).documentElement;
  private readonly chosen = signal<ThemeChoice>(read(this.root.dataset['theme']));
  readonly choice = this.chosen.asReadonly();
  readonly words = computed(() => (this.chosen() === 'system' ? 'as the system' : this.chosen()));

  turn(): void {
    this.set(NEXT[this.chosen()]);
  }

  set(choice: ThemeChoice): void {
    this.chosen.set(choice);
    if (choice === 'system') delete this.root.dataset['theme'];
    else this.root.dataset['theme'] = choice;
    try {
      // Plain text, not JSON: theme.js reads it.
      localStorage.setItem('lastword.theme', choice);
    } catch {
      // It holds for this page.
    }
  }
}

function read(value: string | undefined): ThemeChoice {
  return value === 'light' || value === 'dark' ? value : 'system';
}
