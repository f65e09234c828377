import { PageHarness } from '../../testing/page';

/** The operations page, as people use it. */
export class OperationsHarness extends PageHarness {
  static readonly hostSelector = 'lw-operations';

  /** What a figure says: `running`, `stale`, `timeouts`, `exits`, `success`, `lag`. */
  async figure(name: string): Promise<string> {
    const figure = await this.locatorFor(`[data-figure="${name}"]`)();
    return (await figure.text()).replaceAll(/\s+/g, ' ').trim();
  }

  /** The address of the link whose words begin so. */
  async leadsTo(words: string): Promise<string | null> {
    for (const link of await this.locatorForAll('a')()) {
      if (!(await link.text()).trim().startsWith(words)) continue;
      return decodeURIComponent((await link.getAttribute('href')) ?? '');
    }
    return null;
  }

  async executor(name: string): Promise<string> {
    const row = await this.locatorFor(`[data-executor="${name}"]`)();
    return (await row.text()).replaceAll(/\s+/g, ' ').trim();
  }

  /** The rows of the table of numbers, newest first. */
  async numbers(): Promise<string[]> {
    const rows = await this.locatorForAll('#numbers tbody tr')();
    return Promise.all(rows.map(async (row) => (await row.text()).replaceAll(/\s+/g, ' ').trim()));
  }

  /** What the chart says of itself to those who listen. */
  async chart(): Promise<string | null> {
    return (await this.locatorFor('lw-time-chart [role=img]')()).getAttribute('aria-label');
  }

  async pressInChart(key: 'left' | 'right'): Promise<void> {
    const chart = await this.locatorFor('lw-time-chart [role=img]')();
    await chart.dispatchEvent('keydown', {
      key: key === 'left' ? 'ArrowLeft' : 'ArrowRight',
    });
  }

  async spoken(): Promise<string> {
    return (await this.locatorFor('lw-time-chart [aria-live]')()).text();
  }
}
