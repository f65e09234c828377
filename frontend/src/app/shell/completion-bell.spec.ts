import { TestBed } from '@angular/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { aWorkflow } from '../../testing/workflows';
import { Notices } from '../shared/notices';
import { CompletionBell } from './completion-bell';

describe('CompletionBell', () => {
  let bell: CompletionBell;
  let notices: Notices;
  let shown: string[];
  let permission: NotificationPermission;
  let asks: NotificationPermission;

  beforeEach(() => {
    shown = [];
    permission = 'default';
    asks = 'granted';
    function FakeNotification(text: string): void {
      shown.push(text);
    }
    Object.defineProperty(FakeNotification, 'permission', { get: () => permission });
    FakeNotification.requestPermission = () => Promise.resolve((permission = asks));
    vi.stubGlobal('Notification', FakeNotification);
    bell = TestBed.inject(CompletionBell);
    notices = TestBed.inject(Notices);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });
  const hide = () => vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  const lives = () => bell.tell(aWorkflow({ title: 'Alpha' }));
  const ends = () => bell.tell(aWorkflow({ title: 'Alpha', status: 'success' }));

  it('tells nobody who has not asked', () => {
    hide();
    lives();
    ends();
    expect([shown, notices.all()]).toEqual([[], []]);
  });

  it('tells by the system while nobody looks, once', async () => {
    await bell.toggle('brief-1');
    hide();
    lives();
    ends();
    ends();
    expect(shown).toEqual(['Success: Alpha']);
  });

  it('tells on the page while someone looks', async () => {
    await bell.toggle('brief-1');
    lives();
    ends();
    expect(shown).toEqual([]);
    expect(notices.all().map((notice) => notice.text)).toEqual(['Success: Alpha']);
  });

  it('is silent about what had ended before it was seen to live', async () => {
    await bell.watchAll();
    ends();
    expect(notices.all()).toEqual([]);
  });

  it('can be taken back', async () => {
    await bell.toggle('brief-1');
    await bell.toggle('brief-1');
    expect(bell.watches('brief-1')).toBe(false);
  });

  it('says what to do where the browser forbids it', async () => {
    asks = 'denied';
    await bell.toggle('brief-1');
    expect(bell.watches('brief-1')).toBe(false);
    expect(notices.all().at(-1)?.text).toContain('Its settings can change that');
  });
});
