/** The page of one workflow as people see and use it: over a fake server, through its harness. */
import { TestBed } from '@angular/core/testing';
import { Router, provideRouter, withComponentInputBinding } from '@angular/router';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeServer } from '../../../testing/fake-server';
import { AnyPage, Awaited, openPage, until } from '../../../testing/page';
import { aWorkflow, hello, snapshot } from '../../../testing/workflows';
import type { Workflow } from '../../api/contracts';
import { Session } from '../../api/session';
import { WorkflowDetail } from './workflow-detail';
import { WorkflowDetailHarness } from './workflow-detail.harness';

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();

describe('WorkflowDetail', () => {
  let server: FakeServer;
  let page: WorkflowDetailHarness;

  /** Opens the page; the socket tells how the workflow stands. */
  async function open(changes: Partial<Workflow> = {}, address = '/workflows/brief-1') {
    server.workflows = [aWorkflow(changes), ...server.workflows];
    page = await openPage(address, WorkflowDetailHarness);
    server.ws.last.say(hello(), snapshot(changes));
    await until(async () => expect(await page.headline()).not.toBe(''));
  }
  const says = (...words: string[]) =>
    until(async () => {
      const text = await page.text();
      for (const word of words) expect(text).toContain(word);
    });

  beforeEach(() => {
    server = new FakeServer();
    server.on(/^GET .*\/history/, () => ({
      items: [
        moved('pending', 1, 'submitted', '2026-01-01T12:00:00Z'),
        moved('running', 2, 'claimed', '2026-01-01T12:00:01Z'),
      ],
    }));
    TestBed.configureTestingModule({
      providers: [
        ...server.providers,
        provideRouter(
          [
            { path: 'workflows', component: AnyPage },
            { path: 'workflows/:id', component: WorkflowDetail },
          ],
          withComponentInputBinding(),
        ),
      ],
    });
  });
  const moved = (status: string, version: number, cause: string, at: string) => ({
    version,
    position: version,
    status,
    previous: null,
    at,
    cause,
    actor: 'atlas-01',
  });

  it('shows status, task k of n, and what happened with its causes', async () => {
    const progress = { done: 1, total: 4, label: 'Compare', tasks: [] };
    await open({ title: 'Heat pumps', progress, started_at: ago(70) });
    expect(await page.headline()).toContain('Running');
    await says('Heat pumps', 'Task 2 of 4, Compare');
    await until(async () => expect(await page.timeline()).toEqual(['Running', 'Pending']));
    await says('Claimed by atlas-01');
    expect(await page.clock()).toMatch(/^1m\d\ds$/);
  });

  it('stops the clock in doubt, says so, and offers to ask again', async () => {
    const [started_at, last_heartbeat_at] = [ago(80), ago(20)];
    await open({ heartbeat: 'stale', started_at, last_heartbeat_at });
    expect(await page.headline()).toContain('in doubt');
    await says('Ran for at least', 'No heartbeat for', 'A verdict');
    expect(await page.clock()).toBe('1m00s');
    server.on(/^POST .*\/reconcile$/, () => aWorkflow({ heartbeat: 'fresh', position: 10 }));
    await page.press('Ask again now');
    expect(server.count(/reconcile$/)).toBe(1);
  });

  it('says that it is in doubt also where no heartbeat was ever heard', async () => {
    await open({ heartbeat: 'stale', started_at: ago(80), last_heartbeat_at: null });
    await says('No heartbeat is known. Checking with the executor.', 'Ran for at least');
    expect(await page.text()).not.toContain('Heard again');
  });

  it('shows no blue ring and no running clock once its link is lost', async () => {
    await open({ started_at: ago(5) });
    await until(async () => expect(await page.timeline()).toHaveLength(2));
    server.vanish();
    server.ws.last.drop(1006);
    await until(async () => expect(await page.headline()).toContain('Was running'));
    await says('Cannot reach the server since', 'link lost', 'Retrying in');
    expect(await page.timeline()).toEqual(['Not known since', 'Running', 'Pending']);
    expect((await page.timelineTones()).join()).not.toContain('running');
    expect(await page.isDisabled('Cancel')).toBe(true);
  });

  it('tells a server that cannot decide from one that does not answer', async () => {
    await open();
    server.refuse(/^GET \/workflows/, 503, {}, { 'Retry-After': '30' });
    server.ws.last.drop(1013);
    await says('The server cannot tell how things stand since', 'Retrying in');
  });

  it('names an unknown workflow whole, with the id to copy', async () => {
    page = await openPage('/workflows/nowhere-1', WorkflowDetailHarness);
    server.ws.last.drop(4004);
    await says('There is no such workflow here', 'nowhere-1');
    expect(await page.buttons()).toContain('Copy nowhere-1');
  });

  it.each(['a close code of 4001', 'a 401'])('asks for a login at %s', async (how) => {
    await open();
    expect(TestBed.inject(Session).needed()).toBe(false);
    if (how === 'a 401') server.refuse(/^GET \/workflows/, 401);
    server.ws.last.drop(how === 'a 401' ? 1006 : 4001);
    await until(() => expect(TestBed.inject(Session).needed()).toBe(true));
    expect([server.ws.openCount, server.sse.openCount]).toEqual([0, 0]);
  });

  it('shows the beginning of a 200 KB error, and all of it when asked', async () => {
    const message = `<script>boom()</script> ${'x'.repeat(200_000)} end`;
    await open({ status: 'failed', error: { code: 'exception', message } });
    expect((await page.errorMessage()).length).toBeLessThan(1_000);
    expect(await page.errorMessage()).toContain('<script>boom()</script>');
    expect(document.querySelector('lw-error-card script')).toBeNull();
    await page.press('Show all of it');
    expect(await page.errorMessage()).toContain('end');
  });

  it('shows the code, the facts and the trace of an error', async () => {
    await open({
      status: 'failed',
      error: { code: 'abrupt_exit', message: '', signal: 'SIGKILL', output: 'malloc failed' },
    });
    await says('abrupt_exit', 'signal 9 (SIGKILL)', 'Last error output', 'malloc failed');
  });

  it('shows a status that it does not know by its name, and goes on watching', async () => {
    await open({ status: 'paused' as never });
    expect(await page.headline()).toContain('Paused');
    expect(server.ws.openCount).toBe(1);
  });

  it('shows a result as text and as JSON, and none of it runs', async () => {
    await open({ status: 'success', result: '# Tides\n\n<img src=x onerror=boom()>' });
    await page.openTab('Result');
    await until(async () => expect(await page.panel()).toContain('Tides'));
    await page.press('JSON');
    await until(async () => expect(await page.panel()).toContain('onerror=boom()'));
    expect(document.querySelector('lw-result-view img')).toBeNull();
  });

  it('shows the chain of tries, before and after', async () => {
    server.workflows = [aWorkflow({ id: 'brief-0', status: 'failed' })];
    server.on(/retry_of=brief-1/, () => ({
      items: [aWorkflow({ id: 'brief-2', status: 'success', retry_of: 'brief-1' })],
      next_cursor: null,
      position: 10,
    }));
    await open({
      status: 'failed',
      retry_of: 'brief-0',
      error: { code: 'exception', message: '' },
    });
    await until(async () => expect(await page.chain()).toHaveLength(3));
    const [first, second, third] = await page.chain();
    expect(first).toContain('First try');
    expect(second).toContain('Try 2, this one');
    expect(third).toContain('Try 3');
  });

  it('goes to the new workflow that a retry starts', async () => {
    await open({ status: 'failed', error: { code: 'exception', message: '' } });
    server.on(/^POST .*\/retry$/, () => aWorkflow({ id: 'brief-9', retry_of: 'brief-1' }));
    await page.press('Retry');
    await until(() => expect(TestBed.inject(Router).url).toBe('/workflows/brief-9'));
  });

  it('changes no status by itself: a cancel is asked, and only the server says that it is', async () => {
    await open();
    const answer = new Awaited();
    server.on(/^POST .*\/cancel$/, () => answer.promise);
    await page.press('Cancel');
    await until(async () => expect(await page.buttons()).toContain('Keep it running'));
    await page.press('Cancel workflow');
    await until(() => expect(server.count(/cancel$/)).toBe(1));
    expect(await page.headline()).toContain('Running');
    answer.answer(aWorkflow({ status: 'cancelling', position: 11 }));
    await until(async () => expect(await page.headline()).toContain('Cancelling'));
  });

  it('says what stands where a cancel came too late', async () => {
    await open();
    const stands = { status: 'success', finished_at: '2026-01-01T12:00:09Z' };
    server.refuse(/^POST .*\/cancel$/, 409, { code: 'already_terminal', workflow: stands });
    await page.press('Cancel');
    await until(async () => expect(await page.buttons()).toContain('Keep it running'));
    await page.press('Cancel workflow');
    const { Notices } = await import('../../shared/notices');
    await until(() =>
      expect(TestBed.inject(Notices).all().at(-1)?.text).toContain('Already ended: success at'),
    );
  });

  it('does nothing at all after the end', async () => {
    await open({ status: 'success', finished_at: '2026-01-01T12:00:09Z' });
    await says('Final; nothing changes it');
    expect([server.ws.openCount, server.sse.openCount]).toEqual([0, 0]);
  });
});
