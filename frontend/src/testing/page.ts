import { ComponentHarness, type ComponentHarnessConstructor } from '@angular/cdk/testing';
import { TestbedHarnessEnvironment } from '@angular/cdk/testing/testbed';
import { Component } from '@angular/core';
import { RouterTestingHarness } from '@angular/router/testing';
import { vi } from 'vitest';

/** A page of which nothing is asked but that one can go there. */
@Component({ template: '{{ words }}' })
export class AnyPage {
  protected readonly words = 'any page';
}

/** An answer that comes when the test wants it. */
export class Awaited<T = unknown> {
  answer: (value: T) => void = () => undefined;
  readonly promise = new Promise<T>((resolve) => (this.answer = resolve));
}

/** Opens an address of the app, and gives the page's harness. */
export async function openPage<T extends ComponentHarness>(
  address: string,
  page: ComponentHarnessConstructor<T>,
): Promise<T> {
  const router = await RouterTestingHarness.create(address);
  return TestbedHarnessEnvironment.documentRootLoader(router.fixture).getHarness(page);
}

/** Waits for what must come; nothing sleeps, and a slow machine is waited for. */
export function until(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 30_000, interval: 10 });
}

/** What every page of the app has: text, and buttons that are pressed by their names. */
export abstract class PageHarness extends ComponentHarness {
  private readonly root = this.documentRootLocatorFactory();

  async text(): Promise<string> {
    return plain(await (await this.host()).text());
  }

  /** The names of the buttons, here and in what lies over the page. */
  async buttons(): Promise<string[]> {
    const buttons = await this.root.locatorForAll('button')();
    return Promise.all(
      buttons.map(async (one) =>
        plain((await one.getAttribute('aria-label')) ?? (await one.text())),
      ),
    );
  }

  /** Presses the first button whose name begins so. */
  async press(name: string): Promise<void> {
    const button = await this.find(name);
    await button.click();
  }

  async isDisabled(name: string): Promise<boolean> {
    const button = await this.find(name);
    return button.getProperty<boolean>('disabled');
  }

  private async find(name: string) {
    for (const button of await this.root.locatorForAll('button')()) {
      const called = (await button.getAttribute('aria-label')) ?? (await button.text());
      if (plain(called).startsWith(name)) return button;
    }
    throw new Error(`no button is called ${name}; there are ${(await this.buttons()).join(', ')}`);
  }
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
