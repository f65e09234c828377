import { TestBed } from '@angular/core/testing';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Shortcuts } from './shortcuts';

describe('Shortcuts', () => {
  let shortcuts: Shortcuts;
  let done: string[];
  let leave: () => void;

  const press = (key: string, more: KeyboardEventInit = {}, on: EventTarget = document) =>
    on.dispatchEvent(
      new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }),
    );
  const keys = (...all: string[]) =>
    all.map((one) => ({ keys: one, does: one, act: () => done.push(one) }));

  beforeEach(() => {
    localStorage.clear();
    document.body.replaceChildren();
    done = [];
    shortcuts = TestBed.inject(Shortcuts);
    const until = { onDestroy: (act: () => void) => (leave = act) };
    shortcuts.use(keys('c', 'g w', 'Shift+x', 'Ctrl+k', '?'), until as never);
  });

  it('does what a key, two in a row, or one with Shift or Ctrl say', () => {
    press('c');
    press('g');
    press('w');
    press('X', { shiftKey: true });
    press('k', { metaKey: true });
    press('?', { shiftKey: true });
    expect(done).toEqual(['c', 'g w', 'Shift+x', 'Ctrl+k', '?']);
  });

  it('rests while someone types, but for those with Ctrl', () => {
    const box = document.body.appendChild(document.createElement('input'));
    press('c', {}, box);
    press('k', { ctrlKey: true }, box);
    expect(done).toEqual(['Ctrl+k']);
  });

  it('leaves the keyboard to a dialog or a menu that is open', () => {
    const menu = document.body.appendChild(document.createElement('div'));
    menu.setAttribute('cdkMenu', '');
    press('c');
    expect(done).toEqual([]);
  });

  it('forgets the first of two keys after a while', () => {
    const now = vi.spyOn(Event.prototype, 'timeStamp', 'get');
    now.mockReturnValue(1_000);
    press('g');
    now.mockReturnValue(9_000);
    press('w');
    now.mockRestore();
    expect(done).toEqual([]);
  });

  it('can be turned off, stays so, and Ctrl still works', () => {
    shortcuts.enable(false);
    press('c');
    press('k', { ctrlKey: true });
    expect(done).toEqual(['Ctrl+k']);
    expect(localStorage.getItem('lastword.shortcuts')).toBe('false');
  });

  it('lets the latest page win, until it goes', () => {
    let back = (): void => undefined;
    shortcuts.use([{ keys: 'c', does: '', act: () => done.push('page') }], {
      onDestroy: (act: () => void) => (back = act),
    } as never);
    press('c');
    back();
    press('c');
    leave();
    press('c');
    expect(done).toEqual(['page', 'c']);
  });
});
