import {
  Component,
  DestroyRef,
  ElementRef,
  afterNextRender,
  computed,
  effect,
  inject,
  input,
  linkedSignal,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { LiveAnnouncer } from '@angular/cdk/a11y';
import { Clipboard } from '@angular/cdk/clipboard';
import { CdkMenu, CdkMenuItem, CdkMenuTrigger } from '@angular/cdk/menu';
import { BreakpointObserver } from '@angular/cdk/layout';
import {
  CdkFixedSizeVirtualScroll,
  CdkVirtualForOf,
  CdkVirtualScrollViewport,
} from '@angular/cdk/scrolling';
import { toSignal } from '@angular/core/rxjs-interop';
import { Router } from '@angular/router';
import { map } from 'rxjs';
import { Api } from '../../api/api';
import { sentence } from '../../api/api-error';
import { STATUSES, TERMINAL, type Workflow } from '../../api/contracts';
import { PageLink } from '../../live/page-link';
import { CopyButton } from '../../shared/copy-button';
import { Icon } from '../../shared/icon';
import { clockTime } from '../../shared/times';
import { StatusIcon } from '../../signs/status-icon';
import { statusSign, type Sign } from '../../signs/status-sign';
import { Shortcuts } from '../../shell/shortcuts';
import { StartOpener } from '../../start/start-opener';
import { Commands, type Act } from '../commands';
import { Tally } from '../tally';
import { OfflineBanner } from '../offline-banner';
import {
  EVERYTHING,
  SPANS,
  fromAddress,
  isNarrowed,
  sameFilter,
  toAddress,
  type ListFilter,
} from './list-query';
import { emptyWords, orderWords } from './list-words';
import { BUILT_IN, SavedViews, type SavedView } from './saved-views';
import { NOTHING, choose, within } from './selection';
import { WorkflowRow } from './workflow-row';
import { WorkflowsFeed } from './workflows-feed';

/** How near to the last row the next ones are asked for, in rows. */
const AHEAD = 20;

@Component({
  selector: 'lw-workflows-list',
  imports: [
    CdkFixedSizeVirtualScroll,
    CdkMenu,
    CdkMenuItem,
    CdkMenuTrigger,
    CdkVirtualForOf,
    CdkVirtualScrollViewport,
    CopyButton,
    Icon,
    OfflineBanner,
    StatusIcon,
    WorkflowRow,
  ],
  templateUrl: './workflows-list.html',
  styleUrl: './workflows-list.css',
})
export class WorkflowsList {
  /** The address bar: every filter is a link that can be sent. */
  readonly status = input<string>();
  readonly definition = input<string>();
  /** Codes of errors. */
  readonly error = input<string>();
  readonly q = input<string>();
  readonly since = input<string>();
  readonly sort = input<string>();
  readonly show = input<string>();

  protected readonly feed = inject(WorkflowsFeed);
  protected readonly tally = inject(Tally);
  protected readonly page = inject(PageLink);
  protected readonly views = inject(SavedViews);
  private readonly api = inject(Api);
  private readonly commands = inject(Commands);
  private readonly router = inject(Router);
  private readonly announcer = inject(LiveAnnouncer);
  private readonly clipboard = inject(Clipboard);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  protected readonly start = inject(StartOpener);
  private readonly viewport = viewChild(CdkVirtualScrollViewport);
  private readonly search = viewChild<ElementRef<HTMLInputElement>>('search');

  protected readonly narrow = toSignal(
    inject(BreakpointObserver)
      .observe('(max-width: 760px)')
      .pipe(map((state) => state.matches)),
    { initialValue: false },
  );
  protected readonly rowHeight = computed(() => (this.narrow() ? 89 : 44));
  protected readonly spans = SPANS;
  protected readonly builtIn = BUILT_IN;
  protected readonly everything: SavedView = { name: 'Everything', filter: EVERYTHING };

  protected readonly filter = computed<ListFilter>(
    () =>
      fromAddress({
        status: this.status(),
        definition: this.definition(),
        error: this.error(),
        q: this.q(),
        since: this.since(),
        sort: this.sort(),
        show: this.show(),
      }),
    { equal: sameFilter },
  );
  protected readonly narrowed = computed(() => isNarrowed(this.filter()));
  protected readonly span = computed(
    () => SPANS.find((span) => span.since === this.filter().since)?.label ?? '',
  );
  /** What can be filtered by; asked for when the menu is first opened. */
  private readonly announced = signal<readonly string[]>([]);
  protected readonly definitions = computed(() => {
    const chosen = this.filter().definition;
    return [...new Set([...this.announced(), ...(chosen ? [chosen] : [])])].sort();
  });
  protected readonly typed = linkedSignal(() => this.filter().text);
  protected readonly selection = linkedSignal(() => {
    void this.filter();
    return NOTHING;
  });
  protected readonly active = signal(-1);
  protected readonly naming = signal(false);

  protected readonly chips = computed(() => {
    const counts = this.tally.summary()?.statuses;
    const shown = this.filter().statuses;
    const known = new Set<string>(STATUSES);
    const others = Object.keys(counts ?? {}).filter((status) => !known.has(status));
    return [...ORDER, ...others].map((status) => ({
      status,
      // While the page cannot know, nothing on it says that something runs.
      sign: this.page.doubtful() && !isFinal(status) ? datedSign(status) : statusSign(status),
      count: counts?.[status],
      on: shown.includes(status),
    }));
  });
  /** Null until the server has said. */
  protected readonly doubts = computed(() => this.tally.summary()?.stale ?? null);
  protected readonly waits = computed(
    () => this.feed.ids().filter((id) => this.feed.known(id)?.waiting_for).length,
  );
  protected readonly chosen = computed(() =>
    [...this.selection().ids].flatMap((id) => this.feed.known(id) ?? []),
  );
  protected readonly chosenLive = computed(
    () => this.chosen().filter((workflow) => !workflow.isTerminal).length,
  );
  protected readonly chosenEnded = computed(() => this.chosen().length - this.chosenLive());
  protected readonly allChosen = computed(
    () => this.feed.ids().length > 0 && this.selection().ids.size >= this.feed.ids().length,
  );
  protected readonly caption = computed(() => {
    const shown = this.feed.ids().length;
    const filtered = this.narrowed() || this.tally.total() === null;
    const count = filtered ? shown : Math.max(this.tally.total() ?? 0, shown);
    const more = filtered && this.feed.hasMore() ? '+' : '';
    return { count: `${count.toLocaleString('en')}${more}`, one: count === 1 };
  });
  protected readonly asOf = computed(() => {
    const sign = this.page.sign();
    return sign?.asOf ? clockTime(sign.asOf, Date.now()) : '';
  });
  protected readonly problem = computed(() => sentence(this.feed.error()));
  /** Whether a change that was not asked for was ever made: views say so by their mark. */
  protected readonly currentView = computed(() =>
    [...BUILT_IN, ...this.views.own()].find((view) => sameFilter(view.filter, this.filter())),
  );
  protected readonly emptyWords = computed(() => emptyWords(this.filter()));
  protected readonly orderWords = computed(() => orderWords(this.filter().sort));

  protected readonly rowOf = (id: string) => this.feed.row(id);
  protected readonly trackId = (_: number, id: string) => id;

  constructor() {
    const until = inject(DestroyRef);
    this.feed.open(until);
    void this.tally.load();
    effect(() => {
      const filter = this.filter();
      untracked(() => {
        this.active.set(-1);
        void this.feed.show(filter);
      });
    });
    effect(() => {
      const order = this.feed.ids();
      untracked(() => this.selection.update((selection) => within(selection, order)));
    });
    let told = 0;
    effect(() => {
      const count = this.feed.newcomers().size;
      if (count > told) void this.announcer.announce(`${count} new`, 'polite');
      told = count;
    });
    inject(Shortcuts).use(
      [
        { keys: '/', does: 'Search', act: () => this.search()?.nativeElement.focus() },
        { keys: 'j', does: 'Next row', act: () => this.step(1) },
        { keys: 'k', does: 'Row before', act: () => this.step(-1) },
        { keys: 'x', does: 'Select the row', act: () => this.toggleActive(false) },
        { keys: 'Shift+x', does: 'Select up to the row', act: () => this.toggleActive(true) },
        { keys: 'r', does: 'Retry', act: () => this.actOnActive('retry') },
        { keys: 'e', does: 'Check with the executor', act: () => this.actOnActive('reconcile') },
        { keys: '.', does: 'Menu of the row', act: () => this.openMenu() },
        { keys: 'n', does: 'Show new workflows', act: () => void this.showNew() },
        { keys: 'Escape', does: 'Clear the selection', act: () => this.selection.set(NOTHING) },
      ],
      until,
    );
    afterNextRender(() => {
      const element = this.viewport()?.elementRef.nativeElement.parentElement;
      if (!element || !('ResizeObserver' in globalThis)) return;
      const observer = new ResizeObserver(() => this.viewport()?.checkViewportSize());
      observer.observe(element);
      until.onDestroy(() => observer.disconnect());
    });
  }

  protected toggleStatus(status: string | null): void {
    const { statuses } = this.filter();
    const next =
      status === null
        ? []
        : statuses.includes(status)
          ? statuses.filter((one) => one !== status)
          : [...statuses, status];
    this.go({ ...this.filter(), statuses: next, errors: [], overlay: null });
  }

  protected toggleOverlay(overlay: 'doubt' | 'waiting'): void {
    const same = this.filter().overlay === overlay;
    this.go({ ...this.filter(), statuses: [], errors: [], overlay: same ? null : overlay });
  }

  protected setSince(since: ListFilter['since']): void {
    this.go({ ...this.filter(), since });
  }

  protected setDefinition(definition: string | null): void {
    this.go({ ...this.filter(), definition });
  }

  protected setErrors(errors: readonly string[]): void {
    this.go({ ...this.filter(), errors });
  }

  protected async loadDefinitions(): Promise<void> {
    if (this.announced().length > 0) return;
    try {
      const { items } = await this.api.definitions();
      this.announced.set(items.map((one) => one.name));
    } catch {
      // The menu has what the filter names; opening it again asks again.
    }
  }

  protected setText(text: string): void {
    this.go({ ...this.filter(), text: text.trim() });
  }

  /** Ascending, descending, then the order that the server has by itself. */
  protected sortBy(key: string): void {
    const now = this.filter().sort;
    const [first, second] = key.endsWith('_at') ? [`-${key}`, key] : [key, `-${key}`];
    const sort = now === first ? second : now === second ? null : first;
    this.go({ ...this.filter(), sort });
  }

  protected sorted(key: string): 'ascending' | 'descending' | null {
    const now = this.filter().sort;
    return now === key ? 'ascending' : now === `-${key}` ? 'descending' : null;
  }

  protected arrow(key: string): string {
    const sorted = this.sorted(key);
    return sorted === null ? '' : sorted === 'ascending' ? ' ↑' : ' ↓';
  }

  protected open(view: SavedView): void {
    this.go(view.filter);
  }

  protected saveView(name: string): void {
    this.naming.set(false);
    if (name.trim()) this.views.save(name.trim().slice(0, 40), this.filter());
  }

  protected tryNow(): void {
    this.page.push();
    void this.feed.load();
  }

  protected async showNew(): Promise<void> {
    await this.feed.load();
    this.viewport()?.scrollToIndex(0);
  }

  protected pick(id: string, { on, range }: { on: boolean; range: boolean }): void {
    this.selection.set(choose(this.selection(), id, on, range, this.feed.ids()));
  }

  protected pickAll(on: boolean): void {
    this.selection.set(on ? { ids: new Set(this.feed.ids()), anchor: null } : NOTHING);
  }

  protected async bulk(act: Act): Promise<void> {
    const answers = await this.perform(act, this.chosen());
    if (act !== 'reconcile' && answers > 0) this.selection.set(NOTHING);
  }

  protected async one(id: string, act: Act): Promise<void> {
    const workflow = this.feed.known(id);
    if (workflow) await this.perform(act, [workflow]);
  }

  protected copyIds(): void {
    this.clipboard.copy([...this.selection().ids].join('\n'));
    void this.announcer.announce('Copied');
  }

  protected scrolled(): void {
    const range = this.viewport()?.getRenderedRange();
    if (range && range.end >= this.feed.ids().length - AHEAD) void this.feed.loadMore();
  }

  protected focusedRow(index: number): void {
    this.active.set(index);
  }

  /** Returns how many were answered: none where a person thought better of it. */
  private async perform(act: Act, workflows: readonly Workflow[]): Promise<number> {
    const answers = await this.commands[act](workflows);
    for (const answer of answers) this.feed.accept(answer);
    return answers.length;
  }

  private go(filter: ListFilter): void {
    void this.router.navigate([], { queryParams: toAddress(filter), queryParamsHandling: 'merge' });
  }

  private step(by: number): void {
    const last = this.feed.ids().length - 1;
    if (last < 0) return;
    const next = Math.min(last, Math.max(0, this.active() + by));
    this.active.set(next);
    const id = this.feed.ids()[next];
    const focus = () =>
      this.host.nativeElement
        .querySelector<HTMLElement>(`[data-id="${CSS.escape(id ?? '')}"] .title`)
        ?.focus();
    if (!this.host.nativeElement.querySelector(`[data-id="${CSS.escape(id ?? '')}"]`)) {
      this.viewport()?.scrollToIndex(Math.max(0, next - 3));
      setTimeout(focus, 60);
    } else {
      focus();
    }
  }

  private activeId(): string | undefined {
    return this.feed.ids()[this.active()];
  }

  private toggleActive(range: boolean): void {
    const id = this.activeId();
    if (id) this.pick(id, { on: range || !this.selection().ids.has(id), range });
  }

  private actOnActive(act: Act): void {
    const id = this.activeId();
    if (this.selection().ids.size > 0) void this.bulk(act);
    else if (id) void this.one(id, act);
  }

  private openMenu(): void {
    const id = this.activeId();
    if (!id) return;
    this.host.nativeElement
      .querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"] [data-menu]`)
      ?.click();
  }
}

function isFinal(status: string): boolean {
  return TERMINAL.some((one) => one === status);
}

/** The sign of a count that was true when the page last knew. */
function datedSign(status: string): Sign {
  return { ...statusSign(status), shape: 'doubt', tone: 'doubt' };
}

const ORDER = ['running', 'pending', 'cancelling', 'failed', 'success', 'cancelled'];
