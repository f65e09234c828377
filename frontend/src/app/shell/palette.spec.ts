/** Search and commands: over a fake server, through the palette's harness. */
import { TestbedHarnessEnvironment } from '@angular/cdk/testing/testbed';
import { Component, inject } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { Router, provideRouter } from '@angular/router';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeServer } from '../../testing/fake-server';
import { until } from '../../testing/page';
import { aWorkflow } from '../../testing/workflows';
import { Overlays } from './overlays';
import { PaletteHarness } from './palette.harness';

@Component({ template: '' })
class AnyPage {
  readonly overlays = inject(Overlays);
}

describe('Palette', () => {
  let server: FakeServer;
  let palette: PaletteHarness;

  beforeEach(async () => {
    server = new FakeServer();
    server.workflows = [aWorkflow({ id: 'brief-1', title: 'Heat pumps' })];
    TestBed.configureTestingModule({
      providers: [...server.providers, provideRouter([{ path: '**', component: AnyPage }])],
    });
    const fixture = TestBed.createComponent(AnyPage);
    fixture.componentInstance.overlays.openPalette();
    const loader = TestbedHarnessEnvironment.documentRootLoader(fixture);
    await until(async () => (palette = await loader.getHarness(PaletteHarness)));
  });

  it('finds workflows by what is typed, and asks once for a word', async () => {
    for (const text of ['h', 'he', 'heat']) await palette.type(text);
    await until(async () => expect((await palette.choices())[0]).toContain('Heat pumps'));
    await until(() => expect(server.count(/q=heat/)).toBe(1));
    expect(server.count(/q=he&/)).toBe(0);
  });

  it('goes where Enter says, by keyboard alone', async () => {
    await palette.type('go to oper');
    await until(async () => expect(await palette.choices()).toContain('Go to operationsg o'));
    await until(async () => expect(await palette.active()).not.toBe(''));
    while (!(await palette.active()).startsWith('Go to operations')) await palette.key('ArrowDown');
    await palette.key('Enter');
    await until(() => expect(TestBed.inject(Router).url).toBe('/operations'));
  });

  it('says where nothing is called so', async () => {
    server.workflows = [];
    await palette.type('zzz');
    await until(async () => expect(await palette.text()).toContain('Nothing is called that.'));
  });

  it('keeps its commands where the server does not answer', async () => {
    server.vanish();
    await palette.type('theme');
    await until(async () =>
      expect(await palette.choices()).toEqual([
        'Theme: light',
        'Theme: dark',
        'Theme: as the system',
      ]),
    );
  });
});
