import { TestBed } from '@angular/core/testing';
import { signal, type WritableSignal } from '@angular/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeServer } from '../../testing/fake-server';
import { until } from '../../testing/page';
import { grounded, type LadderState } from '../live/ladder-state';
import { PageLink } from '../live/page-link';
import { Settings } from '../shared/settings';
import { Release } from './release';

describe('Release', () => {
  let server: FakeServer;
  let release: Release;
  let link: WritableSignal<LadderState>;
  let version: string;

  /** The link begins to carry once more. */
  const reopen = () => {
    link.update((state) => ({ ...state, phase: 'open', openings: state.openings + 1 }));
    TestBed.tick();
  };

  beforeEach(async () => {
    version = '1.0.0';
    server = new FakeServer().on(/\/config/, () => ({ version }));
    TestBed.configureTestingModule({ providers: server.providers });
    link = signal(grounded());
    TestBed.inject(PageLink).use(link, () => undefined);
    release = TestBed.inject(Release);
    await TestBed.inject(Settings).load();
    reopen();
  });

  it('is content with the release that the page began with', async () => {
    reopen();
    await until(() => expect(server.count(/config/)).toBe(2));
    expect(release.outdated()).toBe(false);
  });

  it('notices when a lost link comes back to another release', async () => {
    version = '1.1.0';
    expect(release.outdated()).toBe(false);
    reopen();
    await until(() => expect(release.newer()).toBe('1.1.0'));
    expect(release.outdated()).toBe(true);
  });

  it('asks nothing for the first opening', () => {
    expect(server.count(/config/)).toBe(1);
  });

  it('knows that it is outdated when a part of the app is gone', () => {
    release.missedPart();
    expect(release.outdated()).toBe(true);
    expect(release.newer()).toBe('');
  });
});
