import { PageHarness } from '../../testing/page';

/** The palette, as people use it: all by keyboard. */
export class PaletteHarness extends PageHarness {
  static readonly hostSelector = 'lw-palette';

  async type(text: string): Promise<void> {
    const box = await this.locatorFor('input')();
    await box.setInputValue(text);
    await box.dispatchEvent('input');
  }

  async key(key: string): Promise<void> {
    const code = { ArrowDown: 40, ArrowUp: 38, Enter: 13 }[key] ?? 0;
    const box = await this.locatorFor('input')();
    await box.dispatchEvent('keydown', { key, keyCode: code });
  }

  async choices(): Promise<string[]> {
    const choices = await this.locatorForAll('[role=option]')();
    return Promise.all(choices.map(async (one) => (await one.text()).trim()));
  }

  /** What Enter would take, as those who listen are told. */
  async active(): Promise<string> {
    const id = await (await this.locatorFor('input')()).getAttribute('aria-activedescendant');
    return id ? (await (await this.locatorFor(`[id="${id}"]`)()).text()).trim() : '';
  }
}
