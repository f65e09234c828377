import { PageHarness } from '../../../testing/page';

/** The page of one workflow, as people use it. */
export class WorkflowDetailHarness extends PageHarness {
  static readonly hostSelector = 'lw-workflow-detail';

  /** The one large status. */
  async headline(): Promise<string> {
    return (await this.locatorFor('[data-headline]')()).text();
  }

  async clock(): Promise<string> {
    return (await (await this.locatorFor('[data-clock]')()).text()).replaceAll(/\s+/g, ' ').trim();
  }

  async openTab(name: string): Promise<void> {
    for (const tab of await this.locatorForAll('[role=tab]')()) {
      if ((await tab.text()).trim().startsWith(name)) return tab.click();
    }
    throw new Error(`no tab is called ${name}`);
  }

  async panel(): Promise<string> {
    return (await this.locatorFor('[role=tabpanel]')()).text();
  }

  /** The statuses of the timeline, newest first. */
  async timeline(): Promise<string[]> {
    const labels = await this.locatorForAll('lw-timeline b')();
    return Promise.all(labels.map((label) => label.text()));
  }

  /** Every class of the timeline's entries: no blue ring may be among them in doubt. */
  async timelineTones(): Promise<(string | null)[]> {
    const entries = await this.locatorForAll('lw-timeline li')();
    return Promise.all(entries.map((entry) => entry.getAttribute('class')));
  }

  async errorMessage(): Promise<string> {
    return (await this.locatorFor('[data-error-message]')()).text();
  }

  /** The links of the retry chain. */
  async chain(): Promise<string[]> {
    const tries = await this.locatorForAll('.chain li')();
    return Promise.all(tries.map(async (one) => (await one.text()).replaceAll(/\s+/g, ' ').trim()));
  }
}
