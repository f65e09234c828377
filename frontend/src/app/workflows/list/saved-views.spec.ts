import { TestBed } from '@angular/core/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { EVERYTHING } from './list-query';
import { SavedViews } from './saved-views';

const KEY = 'lastword.views';
const failed = { ...EVERYTHING, statuses: ['failed'] };

describe('SavedViews', () => {
  const opened = () => {
    TestBed.resetTestingModule();
    return TestBed.inject(SavedViews);
  };

  beforeEach(() => localStorage.clear());

  it('keeps a view for the next visit, and forgets it when told', () => {
    opened().save('Mine', failed);
    const next = opened();
    expect(next.own()).toEqual([{ name: 'Mine', filter: failed }]);
    next.remove('Mine');
    expect(opened().own()).toEqual([]);
  });

  it('replaces a view of the same name', () => {
    const views = opened();
    views.save('Mine', EVERYTHING);
    views.save('Mine', failed);
    expect(views.own()).toEqual([{ name: 'Mine', filter: failed }]);
  });

  it.each([
    '{"a": 1}',
    'null',
    '[null, 7, {"name": ""}, {"name": "x", "filter": {}}]',
    '{not json',
  ])('shows nothing of what it cannot read: %s', (kept) => {
    localStorage.setItem(KEY, kept);
    expect(opened().own()).toEqual([]);
  });

  it('fills in what a view of an older release does not name', () => {
    localStorage.setItem(KEY, '[{"name": "Old", "filter": {"statuses": ["failed"]}}]');
    expect(opened().own()).toEqual([{ name: 'Old', filter: failed }]);
  });
});
