import { Component, computed, inject } from '@angular/core';
import { DialogRef } from '@angular/cdk/dialog';
import { Icon } from '../shared/icon';
import { Shortcuts } from './shortcuts';

/** Every key that does something here, and the switch that turns single keys off. */
@Component({
  selector: 'lw-keys-dialog',
  imports: [Icon],
  template: `
    <div class="dialog">
      <header>
        <h2 id="keys-title">Keyboard shortcuts</h2>
        <span class="grow"></span>
        <button
          type="button"
          class="button ghost square small"
          aria-label="Close"
          (click)="dialog.close()"
        >
          <lw-icon name="close" />
        </button>
      </header>
      <dl>
        @for (one of all(); track one.keys) {
          <div>
            <dt>{{ one.does }}</dt>
            <dd>
              @for (key of one.keys.split(' '); track $index) {
                <kbd>{{ spell(key) }}</kbd>
              }
            </dd>
          </div>
        }
      </dl>
      <footer>
        <label class="switch">
          <input
            #on
            type="checkbox"
            role="switch"
            [checked]="shortcuts.enabled()"
            (change)="shortcuts.enable(on.checked)"
          />
          Single keys work
        </label>
      </footer>
    </div>
  `,
  styles: `
    dl {
      padding: 8px 20px;
      overflow: auto;
    }
    dl > div {
      display: flex;
      justify-content: space-between;
      align-items: center;
      min-height: 34px;
      border-bottom: 1px solid var(--line);
    }
    dl > div:last-child {
      border-bottom: 0;
    }
    dd {
      display: flex;
      gap: 4px;
    }
  `,
})
export class KeysDialog {
  protected readonly shortcuts = inject(Shortcuts);
  protected readonly dialog = inject<DialogRef>(DialogRef);
  protected readonly all = computed(() => {
    const found = new Map(
      this.shortcuts
        .all()
        .flat()
        .map((one) => [one.keys, one] as const),
    );
    return [...found.values()];
  });
  protected spell(key: string): string {
    return key.replace('Ctrl+', '⌘/Ctrl ').replace('Shift+', 'Shift ').replace('Escape', 'Esc');
  }
}
