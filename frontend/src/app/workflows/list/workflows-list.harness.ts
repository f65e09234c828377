import { PageHarness } from '../../../testing/page';

/** The list of workflows, as people use it. */
export class WorkflowsListHarness extends PageHarness {
  static readonly hostSelector = 'lw-workflows-list';

  private readonly rows = this.locatorForAll('lw-workflow-row');

  /** The ids of the rows that are drawn, in order. */
  async ids(): Promise<(string | null)[]> {
    const rows = await this.rows();
    return Promise.all(rows.map((row) => row.getAttribute('data-id')));
  }

  async rowText(id: string): Promise<string> {
    return (await this.locatorFor(`[data-id="${id}"]`)()).text();
  }

  async chip(status: string): Promise<string> {
    return (await this.locatorFor(`[data-chip="${status}"]`)()).text();
  }

  async filterBy(status: string): Promise<void> {
    await (await this.locatorFor(`[data-chip="${status}"]`)()).click();
  }

  async select(id: string): Promise<void> {
    await (await this.locatorFor(`[data-id="${id}"] input.check`)()).click();
  }

  /** What the menu that is open offers. */
  async menu(): Promise<string[]> {
    const items = await this.documentRootLocatorFactory().locatorForAll('[role=menuitem]')();
    return Promise.all(items.map(async (one) => (await one.text()).trim()));
  }

  async choose(name: string): Promise<void> {
    const items = await this.documentRootLocatorFactory().locatorForAll('[role=menuitem]')();
    for (const one of items) if ((await one.text()).trim() === name) await one.click();
  }

  /** The *3 new* pill; null where there is none. */
  async newcomers(): Promise<string | null> {
    const pill = await this.locatorForOptional('[data-newcomers]')();
    return pill ? (await pill.text()).trim() : null;
  }

  async showNew(): Promise<void> {
    await (await this.locatorFor('[data-newcomers]')()).click();
  }
}
