/** The list as people see and use it: over a fake server, through its harness. */
import { TestBed } from '@angular/core/testing';
import { provideRouter, Router, withComponentInputBinding } from '@angular/router';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeServer } from '../../../testing/fake-server';
import { openPage, until } from '../../../testing/page';
import { aWorkflow, hello } from '../../../testing/workflows';
import type { Workflow } from '../../api/contracts';
import { WorkflowsList } from './workflows-list';
import { WorkflowsListHarness } from './workflows-list.harness';

describe('WorkflowsList', () => {
  let server: FakeServer;
  let list: WorkflowsListHarness;

  async function open(address = '/workflows'): Promise<void> {
    list = await openPage(address, WorkflowsListHarness);
    await until(() => expect(server.count(/^GET \/workflows\?/)).toBeGreaterThan(0));
  }
  const status = (changes: Partial<Workflow>, previous: Workflow['status'] = 'running') =>
    server.ws.last.say({
      type: 'status',
      previous,
      changed: ['status'],
      workflow: aWorkflow({ position: 11, ...changes }),
    });

  beforeEach(() => {
    localStorage.clear();
    server = new FakeServer();
    server.workflows = [
      aWorkflow({ id: 'brief-1', title: 'Alpha', position: 10 }),
      aWorkflow({ id: 'brief-2', title: 'Beta', status: 'success', position: 9 }),
    ];
    TestBed.configureTestingModule({
      providers: [
        ...server.providers,
        provideRouter(
          [{ path: 'workflows', component: WorkflowsList }],
          withComponentInputBinding(),
        ),
      ],
    });
  });

  it('shows rows with the end of the id beside the definition, so that neither is cut', async () => {
    await open();
    await until(async () => expect(await list.ids()).toEqual(['brief-1', 'brief-2']));
    expect(await list.rowText('brief-1')).toContain('brief-1');
    expect(await list.chip('running')).toContain('1');
  });

  it('lets new workflows wait behind a pill, and no row jumps', async () => {
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(2));
    server.ws.last.say(hello());
    status({ id: 'brief-3', status: 'pending', position: 12 });
    await until(async () => expect(await list.newcomers()).toBe('1 new'));
    expect(await list.ids()).toEqual(['brief-1', 'brief-2']);
    server.workflows = [aWorkflow({ id: 'brief-3', position: 12 }), ...server.workflows];
    server.position = 12;
    await list.showNew();
    await until(async () => expect(await list.ids()).toEqual(['brief-3', 'brief-1', 'brief-2']));
    expect(await list.newcomers()).toBeNull();
  });

  it('does not call new what lies on a later page', async () => {
    server.more = 'next';
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(2));
    server.ws.last.say(hello(), {
      type: 'snapshot',
      workflow: aWorkflow({ id: 'old-1', position: 3 }),
    });
    status({ id: 'brief-1', status: 'cancelling' });
    await until(async () => expect(await list.rowText('brief-1')).toContain('Cancelling'));
    expect(await list.newcomers()).toBeNull();
  });

  it('keeps a row that has left the filter in its place, and says so', async () => {
    await open('/workflows?status=running');
    await until(async () => expect(await list.ids()).toContain('brief-1'));
    server.ws.last.say(hello());
    status({ id: 'brief-1', status: 'success' });
    await until(async () => expect(await list.rowText('brief-1')).toContain('moved'));
  });

  it('writes filters into the address, so that they can be sent', async () => {
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(2));
    await list.filterBy('failed');
    await until(() => expect(TestBed.inject(Router).url).toBe('/workflows?status=failed'));
    await until(() => expect(server.asked.at(-1)).toContain('status=failed'));
  });

  it('cancels many only after it was told to, by name, and one after another', async () => {
    server.workflows = [
      aWorkflow({ id: 'brief-1', title: 'Alpha' }),
      aWorkflow({ id: 'brief-4', title: 'Delta' }),
      aWorkflow({ id: 'brief-2', title: 'Beta', status: 'success' }),
    ];
    let under = 0;
    let most = 0;
    server.on(/^POST .*\/cancel$/, async (path) => {
      most = Math.max(most, ++under);
      await Promise.resolve();
      under -= 1;
      return aWorkflow({ id: path.split('/')[2] ?? '', status: 'cancelling', position: 20 });
    });
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(3));
    for (const id of ['brief-1', 'brief-4', 'brief-2']) await list.select(id);
    expect(await list.buttons()).toEqual(
      expect.arrayContaining(['Cancel 2 live', 'Retry 1 ended']),
    );
    await list.press('Cancel 2 live');
    await until(async () => expect(await list.buttons()).toContain('Keep them running'));
    expect(document.activeElement?.textContent).toContain('Keep them running');
    expect(server.count(/cancel$/)).toBe(0);
    await list.press('Cancel 2 workflows');
    await until(() => expect(server.count(/^POST .*cancel$/)).toBe(2));
    expect(most).toBe(1);
    await until(async () => expect(await list.rowText('brief-1')).toContain('Cancelling'));
  });

  it('retries many only after it was told to, and keeps the selection where it was not', async () => {
    server.workflows = [
      aWorkflow({ id: 'brief-1', title: 'Alpha', status: 'failed' }),
      aWorkflow({ id: 'brief-2', title: 'Beta', status: 'cancelled' }),
    ];
    server.on(/^POST .*\/retry$/, (path) =>
      aWorkflow({ id: `again-${path.split('/')[2]}`, status: 'pending', position: 20 }),
    );
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(2));
    for (const id of ['brief-1', 'brief-2']) await list.select(id);
    await list.press('Retry 2 ended');
    await until(async () => expect(await list.buttons()).toContain('Leave them'));
    await list.press('Leave them');
    await until(async () => expect(await list.buttons()).not.toContain('Leave them'));
    expect(server.count(/retry$/)).toBe(0);
    await list.press('Retry 2 ended');
    await until(async () => expect(await list.buttons()).toContain('Retry 2 workflows'));
    await list.press('Retry 2 workflows');
    await until(() => expect(server.count(/^POST .*retry$/)).toBe(2));
    await until(async () => expect(await list.newcomers()).toBe('2 new'));
    expect(await list.buttons()).not.toContain('Retry 2 ended');
  });

  it('retries one at once', async () => {
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(2));
    await list.press('Retry Beta');
    await until(() => expect(server.count(/^POST .*brief-2\/retry$/)).toBe(1));
  });

  it('offers the definitions that there are, and names the one that is chosen', async () => {
    server.on(/^GET \/definitions$/, () => ({ items: [{ name: 'triage' }, { name: 'brief' }] }));
    await open('/workflows?definition=retired');
    await list.press('retired');
    await until(async () =>
      expect(await list.menu()).toEqual(['Any definition', 'brief', 'retired', 'triage']),
    );
    await list.choose('triage');
    await until(() => expect(server.asked.at(-1)).toContain('definition=triage'));
    await list.press('triage');
    await list.choose('Any definition');
    await until(() => expect(TestBed.inject(Router).url).toBe('/workflows'));
    expect(server.count(/definitions$/)).toBe(1);
  });

  it('shows why it leaves out what failed otherwise, until it is told not to', async () => {
    const error = { code: 'abrupt_exit', message: 'Killed.' } as const;
    server.workflows = [
      aWorkflow({ id: 'brief-1', status: 'failed', error }),
      aWorkflow({ id: 'brief-2', status: 'failed', error: { ...error, code: 'exception' } }),
    ];
    await open('/workflows?status=failed&error=abrupt_exit&sort=-finished_at');
    await until(async () => expect(await list.ids()).toEqual(['brief-1']));
    expect(server.asked.at(-1)).not.toContain('undefined');
    expect(server.count(/^GET \/workflows\?.*error=abrupt_exit/)).toBeGreaterThan(0);
    expect(await list.text()).toContain('last ended first');
    await list.press('Show all causes, not only abrupt_exit');
    await until(async () => expect(await list.ids()).toEqual(['brief-1', 'brief-2']));
  });

  it('keeps them running when the dialog is left', async () => {
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(2));
    await list.select('brief-1');
    await list.press('Cancel 1 live');
    await until(async () => expect(await list.buttons()).toContain('Keep it running'));
    await list.press('Keep it running');
    await until(async () => expect(await list.buttons()).not.toContain('Keep it running'));
    expect(server.count(/cancel$/)).toBe(0);
  });

  it('says where a server is down, and counts nothing that it does not know', async () => {
    server.vanish();
    await open();
    await until(async () => expect(await list.text()).toContain('The list cannot be shown'));
    expect(await list.text()).not.toMatch(/\b0 workflows/);
    expect(await list.chip('running')).not.toMatch(/\d/);
  });

  it('shows what a 503 asks for', async () => {
    server.refuse(/^GET \/workflows/, 503, {}, { 'Retry-After': '4' });
    await open();
    await until(async () =>
      expect(await list.text()).toContain('The server cannot decide right now. Try again in 4 s.'),
    );
  });

  it('tells an empty list from one that is filtered to nothing', async () => {
    server.workflows = [];
    await open();
    await until(async () => expect(await list.text()).toContain('No workflows yet'));
    await list.filterBy('failed');
    await until(async () => expect(await list.text()).toContain('No failed workflows'));
    expect(await list.buttons()).toContain('Clear filters');
  });

  it('shows a status that it does not know, with a chip of its own', async () => {
    server.workflows = [aWorkflow({ id: 'brief-1', status: 'paused' as never })];
    await open();
    await until(async () => expect(await list.rowText('brief-1')).toContain('Paused'));
    expect(await list.chip('paused')).toContain('1');
  });

  it('shows script, right-to-left and emoji as they are', async () => {
    const title = '<script>boom()</script> שלום 🚀';
    server.workflows = [aWorkflow({ id: 'brief-1', title })];
    await open();
    await until(async () => expect(await list.rowText('brief-1')).toContain(title));
    expect(document.querySelector('lw-workflow-row script')).toBeNull();
  });

  it('asks nothing over HTTP while the socket lives', async () => {
    await open();
    await until(async () => expect(await list.ids()).toHaveLength(2));
    server.ws.last.say(hello());
    const before = server.count(/^GET \/workflows/);
    status({ id: 'brief-1', status: 'cancelling' });
    await until(async () => expect(await list.rowText('brief-1')).toContain('Cancelling'));
    expect(server.count(/^GET \/workflows/)).toBe(before);
    expect(server.ws.all).toHaveLength(1);
  });
});
