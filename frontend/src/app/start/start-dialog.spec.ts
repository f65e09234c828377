/** Starting a workflow: over a fake server, through the dialog's harness. */
import { Component, inject } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { Router, provideRouter } from '@angular/router';
import { TestbedHarnessEnvironment } from '@angular/cdk/testing/testbed';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeServer } from '../../testing/fake-server';
import { until } from '../../testing/page';
import { aWorkflow } from '../../testing/workflows';
import { StartDialogHarness } from './start-dialog.harness';
import { StartOpener } from './start-opener';

@Component({ template: '' })
class AnyPage {
  readonly opener = inject(StartOpener);
}

const brief = {
  name: 'brief',
  kind: 'crew',
  description: 'Writes a brief.',
  deadline_s: 900,
  input_schema: {
    type: 'object',
    properties: {
      topic: { type: 'string' },
      depth: { type: 'integer', default: 3, maximum: 5 },
    },
    required: ['topic'],
  },
};
const free = {
  name: 'free',
  kind: 'function',
  input_schema: {
    type: 'object',
    properties: { payload: { type: 'object', additionalProperties: true }, note: {} },
    required: ['payload'],
  },
};
const broken = { name: 'broken', kind: 'broken', input_schema: {}, error: "No module 'crews'" };

describe('StartDialog', () => {
  let server: FakeServer;
  let dialog: StartDialogHarness;
  let sent: { body: unknown }[];

  async function open(definition: string | null = null): Promise<void> {
    const fixture = TestBed.createComponent(AnyPage);
    await fixture.componentInstance.opener.open(definition);
    dialog =
      await TestbedHarnessEnvironment.documentRootLoader(fixture).getHarness(StartDialogHarness);
    await until(async () => expect(await dialog.text()).toContain('brief'));
  }

  beforeEach(() => {
    server = new FakeServer();
    sent = [];
    server.on(/^GET \/definitions/, () => ({ items: [broken, brief, free] }));
    server.on(/^POST \/workflows$/, (_, body) => {
      sent.push({ body });
      return aWorkflow({ id: 'brief-7' });
    });
    TestBed.configureTestingModule({
      providers: [
        ...server.providers,
        provideRouter([{ path: 'workflows/:id', component: AnyPage }]),
      ],
    });
  });

  it('makes a form of the schema, checks it, and goes to what it started', async () => {
    await open('brief');
    await dialog.start();
    await until(async () => expect(await dialog.text()).toContain('Enter something here.'));
    expect(sent).toEqual([]);
    await dialog.fill('Topic', 'עברית 🚀 <script>');
    await dialog.fill('Depth', '9');
    await until(async () => expect(await dialog.text()).toContain('Enter 5 or fewer.'));
    await dialog.fill('Depth', '4');
    await dialog.start();
    await until(() => expect(TestBed.inject(Router).url).toBe('/workflows/brief-7'));
    expect(sent[0]?.body).toMatchObject({
      definition: 'brief',
      inputs: { topic: 'עברית 🚀 <script>', depth: 4 },
    });
  });

  it('offers JSON where no form fits the schema, with what is needed filled in', async () => {
    await open('free');
    await until(async () => expect(await dialog.text()).toContain('no form fits its schema'));
    expect(JSON.parse(await dialog.value('Inputs'))).toEqual({ payload: {} });
    await dialog.fill('Inputs', '{"payload": ');
    await until(async () => expect(await dialog.text()).toContain('This is not JSON yet'));
    await dialog.start();
    expect(sent).toEqual([]);
    await dialog.fill('Inputs', '{"payload": {"a": [1]}}');
    await dialog.start();
    await until(() => expect(sent).toHaveLength(1));
    expect(sent[0]?.body).toMatchObject({ inputs: { payload: { a: [1] } } });
  });

  it('says why a broken definition cannot be started, and starts none', async () => {
    await open();
    await dialog.pick('broken');
    await until(async () => expect(await dialog.text()).toContain("No module 'crews'"));
    expect(await dialog.isDisabled('Start')).toBe(true);
  });

  it('shows what the server refuses beside the field', async () => {
    server.refuse(/^POST \/workflows$/, 422, {
      code: 'invalid_inputs',
      errors: [{ field: 'inputs.topic', message: 'Too dull.' }],
    });
    await open('brief');
    await dialog.fill('Topic', 'paint');
    await dialog.start();
    await until(async () => expect(await dialog.text()).toContain('Too dull.'));
  });

  it('keeps what was typed through a 503, counts down, and starts nothing twice', async () => {
    const keys: (string | null)[] = [];
    let tries = 0;
    server.on(/^POST \/workflows$/, () => {
      tries += 1;
      if (tries > 1) return aWorkflow({ id: 'brief-7' });
      return new Response('{"status":503,"code":"unavailable","title":""}', {
        status: 503,
        headers: { 'Retry-After': '1' },
      });
    });
    server.spy = (_, init) => keys.push(new Headers(init.headers).get('Idempotency-Key'));
    await open('brief');
    await dialog.fill('Topic', 'tides');
    await dialog.start();
    await until(async () => expect(await dialog.summary()).toContain('Retrying in 1 s'));
    expect(await dialog.value('Topic')).toBe('tides');
    await until(() => expect(TestBed.inject(Router).url).toBe('/workflows/brief-7'));
    const used = keys.filter((key) => key !== null);
    expect(used).toHaveLength(2);
    expect(new Set(used).size).toBe(1);
  });

  it('does not open while the server does not answer', async () => {
    const { PageLink } = await import('../live/page-link');
    const link = TestBed.inject(PageLink);
    Object.defineProperty(link, 'offline', { value: () => true });
    const fixture = TestBed.createComponent(AnyPage);
    await fixture.componentInstance.opener.open();
    expect(document.querySelector('lw-start-dialog')).toBeNull();
  });
});
