import { PageHarness } from '../../testing/page';

/** The dialog that starts a workflow, as people use it. */
export class StartDialogHarness extends PageHarness {
  static readonly hostSelector = 'lw-start-dialog';

  async pick(definition: string): Promise<void> {
    await this.press(definition);
  }

  /** Fills the field that is labelled so. */
  async fill(label: string, text: string): Promise<void> {
    for (const one of await this.locatorForAll('label')()) {
      const id = await one.getAttribute('for');
      if (id && (await one.text()).trim().startsWith(label)) {
        const field = await this.locatorFor(`[id="${id}"]`)();
        await field.clear();
        // The keys of a test are no keys of a keyboard: a brace would be taken for a special one.
        await field.setInputValue(text);
        await field.dispatchEvent('input');
        await field.blur();
        return;
      }
    }
    throw new Error(`no field is labelled ${label}`);
  }

  async value(label: string): Promise<string> {
    for (const one of await this.locatorForAll('label')()) {
      const id = await one.getAttribute('for');
      if (id && (await one.text()).trim().startsWith(label))
        return (await this.locatorFor(`[id="${id}"]`)()).getProperty<string>('value');
    }
    throw new Error(`no field is labelled ${label}`);
  }

  async start(): Promise<void> {
    await (await this.locatorFor('[data-start]')()).click();
  }

  async summary(): Promise<string> {
    return (await (await this.locatorFor('.summary')()).text()).replaceAll(/\s+/g, ' ').trim();
  }
}
