/** The operations page: over a fake server, through its harness. */
import { TestBed } from '@angular/core/testing';
import { provideRouter } from '@angular/router';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeServer } from '../../testing/fake-server';
import { Awaited, openPage, until } from '../../testing/page';
import { someTrends, someVitals } from '../../testing/trends';
import { aWorkflow, hello } from '../../testing/workflows';
import type { ExecutorView, Workflow } from '../api/contracts';
import { Operations } from './operations';
import { OperationsHarness } from './operations.harness';

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();

function anExecutor(changes: Partial<ExecutorView> = {}): ExecutorView {
  return {
    executor: 'atlas-01',
    state: 'serving',
    host: 'atlas',
    pid: 42,
    version: '1.0.0',
    started_at: ago(7_200),
    last_beat_at: ago(1),
    slots: 4,
    running: ['a', 'b'],
    definitions: ['brief'],
    ...changes,
  };
}

describe('Operations', () => {
  let server: FakeServer;
  let page: OperationsHarness;

  async function open(): Promise<void> {
    page = await openPage('/operations', OperationsHarness);
    await until(() => expect(server.count(/trends/)).toBeGreaterThan(0));
  }
  const figure = (name: string, ...words: string[]) =>
    until(async () => {
      const text = await page.figure(name);
      for (const word of words) expect(text).toContain(word);
    });
  const live = (changes: Partial<Workflow> = {}) => aWorkflow({ executor: 'atlas-04', ...changes });

  beforeEach(() => {
    server = new FakeServer();
    server.on(/\/trends/, () =>
      someTrends(
        [
          { running: 2, failures: { heartbeat_timeout: 1 }, ended: { success: 1, failed: 1 } },
          { running: 4, failures: { abrupt_exit: 2 }, ended: { success: 6, failed: 2 } },
          { running: 3, vitals: someVitals({ stale: 1, slots: 12 }) },
        ],
        { lag: { count: 10, p50_ms: 4, p99_ms: 33, worst_ms: 66 } },
      ),
    );
    TestBed.configureTestingModule({
      providers: [
        ...server.providers,
        provideRouter([{ path: 'operations', component: Operations }]),
      ],
    });
  });

  it('counts timeouts, abrupt exits, success and lag over the span', async () => {
    await open();
    await figure('timeouts', '1 h', '1');
    await figure('exits', '2 died');
    await figure('success', '70 %', 'of 10 that ended');
    await figure('lag', '4 ms', 'p99 33 ms', 'worst 66 ms');
  });

  it('leads from each count of failures to what failed so, the last first', async () => {
    await open();
    await figure('exits', '2 died');
    const address = (codes: string) => `/workflows?status=failed&error=${codes}&sort=-finished_at`;
    expect(await page.leadsTo('heartbeat_timeout')).toBe(address('heartbeat_timeout'));
    expect(await page.leadsTo('Abrupt exits')).toBe(address('abrupt_exit,exit_without_result'));
    expect(await page.leadsTo('Heartbeat timeouts')).toBe(
      address('heartbeat_timeout,executor_lost'),
    );
  });

  it('reads a span anew, and keeps the numbers until the next are here', async () => {
    await open();
    await figure('success', '70 %');
    const answer = new Awaited();
    server.on(/span=24h/, () => answer.promise);
    await page.press('24 h');
    await until(() => expect(server.count(/span=24h/)).toBe(1));
    await figure('success', '1 h', '70 %');
    answer.answer(someTrends([{ ended: { success: 1 } }], { step_s: 1_800 }));
    await figure('success', '24 h', '100 %');
    expect(await page.text()).toContain('ended per 30 minutes');
  });

  it('names who is in doubt for longest', async () => {
    server.on(/\/summary/, () => ({
      statuses: { running: 2 },
      stale: 2,
      position: 10,
      executors: 1,
    }));
    await open();
    const stale = (id: string, seconds: number) =>
      live({ id, heartbeat: 'stale', last_heartbeat_at: ago(seconds), executor: `on-${id}` });
    server.ws.last.say(
      hello(),
      { type: 'snapshot', workflow: stale('short', 12) },
      { type: 'snapshot', workflow: stale('long', 45) },
    );
    await figure('stale', '2', 'on-long, for 4');
  });

  it('counts who waits for a person, and forgets who has ended', async () => {
    await open();
    server.ws.last.say(hello(), { type: 'snapshot', workflow: live({ waiting_for: 'approval' }) });
    await figure('running', '1 waits for a person');
    server.ws.last.say({
      type: 'status',
      previous: 'running',
      changed: ['status'],
      workflow: live({ status: 'success', position: 11 }),
    });
    await until(async () => expect(await page.figure('running')).not.toContain('waits'));
  });

  it('shows the same as a table, and reads it piece by piece to those who listen', async () => {
    await open();
    await figure('success', '70 %');
    expect(await page.chart()).toContain('at most 4 running at once; ended 7 success, 3 failed');
    await page.press('Show the numbers');
    await until(async () => expect(await page.numbers()).toHaveLength(3));
    expect((await page.numbers())[0]).toMatch(/to now/);
    await page.pressInChart('left');
    await until(async () => expect(await page.spoken()).toContain('3 running'));
    expect(await page.spoken()).toContain('1 in doubt');
  });

  it('shows each executor with its state, load and last beat', async () => {
    server.on(/\/executors/, () => ({
      items: [
        anExecutor(),
        anExecutor({ executor: 'atlas-02', state: 'silent', last_beat_at: ago(18) }),
        anExecutor({ executor: 'atlas-03', state: 'gone', running: [] }),
        anExecutor({ executor: 'atlas-04', state: 'resting', slots: 400, running: [] }),
      ],
    }));
    await open();
    await until(async () => expect(await page.executor('atlas-01')).toContain('Beating'));
    expect(await page.executor('atlas-01')).toContain('2 of 4');
    expect(await page.executor('atlas-02')).toMatch(/Silent.*stale, 1\d s/);
    expect(await page.executor('atlas-03')).toMatch(/Gone.*ended/);
    expect(await page.executor('atlas-04')).toContain('resting');
  });

  it('says what to do where nobody works', async () => {
    await open();
    await until(async () => expect(await page.text()).toContain('lastword run executor'));
  });

  it('goes on without the course of things where the server is older and has none', async () => {
    server.refuse(/\/trends/, 404);
    server.on(/\/executors/, () => ({ items: [anExecutor()] }));
    await open();
    await until(async () =>
      expect(await page.text()).toContain('This server is older than the app'),
    );
    expect(await page.executor('atlas-01')).toContain('Beating');
  });

  it('calls nothing running once its link is lost', async () => {
    server.on(/\/executors/, () => ({ items: [anExecutor()] }));
    await open();
    server.ws.last.say(hello());
    await until(async () => expect(await page.executor('atlas-01')).toContain('Beating'));
    server.vanish();
    server.ws.last.drop(1006);
    await figure('running', 'Were running');
    expect(await page.executor('atlas-01')).toContain('Was serving');
  });
});
