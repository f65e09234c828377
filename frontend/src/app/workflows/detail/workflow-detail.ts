import {
  Component,
  DestroyRef,
  ElementRef,
  computed,
  effect,
  inject,
  input,
  linkedSignal,
  resource,
  signal,
  untracked,
  viewChild,
} from '@angular/core';
import { LiveAnnouncer } from '@angular/cdk/a11y';
import { Clipboard } from '@angular/cdk/clipboard';
import { Title } from '@angular/platform-browser';
import { Router, RouterLink } from '@angular/router';
import { Api } from '../../api/api';
import { ApiError } from '../../api/api-error';
import type { Transition, Workflow } from '../../api/contracts';
import { PageLink } from '../../live/page-link';
import { WorkflowStatusChannel, type Watched } from '../../live/workflow-status-channel';
import { CopyButton } from '../../shared/copy-button';
import { Icon } from '../../shared/icon';
import { Settings } from '../../shared/settings';
import { clockTime, duration, fullTime, roundDuration, wholeDuration } from '../../shared/times';
import { StatusBadge } from '../../signs/status-badge';
import { StatusIcon } from '../../signs/status-icon';
import { signOf } from '../../signs/status-sign';
import { CompletionBell } from '../../shell/completion-bell';
import { Shortcuts } from '../../shell/shortcuts';
import { Commands, titleOf, type Act } from '../commands';
import { OfflineBanner } from '../offline-banner';
import { ErrorCard } from './error-card';
import { JsonView } from './json-view';
import { LogPanel } from './log-panel';
import { LogStore } from './log-store';
import { NowCard } from './now-card';
import { ResultView } from './result-view';
import { Timeline } from './timeline';

type Tab = 'overview' | 'logs' | 'result' | 'inputs' | 'history';

const TABS: readonly { readonly id: Tab; readonly label: string }[] = [
  { id: 'overview', label: 'Overview' },
  { id: 'logs', label: 'Logs' },
  { id: 'result', label: 'Result' },
  { id: 'inputs', label: 'Inputs' },
  { id: 'history', label: 'History' },
];

/** One workflow, whole and live. */
@Component({
  selector: 'lw-workflow-detail',
  imports: [
    CopyButton,
    ErrorCard,
    Icon,
    JsonView,
    LogPanel,
    NowCard,
    OfflineBanner,
    ResultView,
    RouterLink,
    StatusBadge,
    StatusIcon,
    Timeline,
  ],
  providers: [LogStore],
  templateUrl: './workflow-detail.html',
  styleUrl: './workflow-detail.css',
})
export class WorkflowDetail {
  /** From the address. */
  readonly id = input.required<string>();
  readonly tab = input<string>();

  private readonly api = inject(Api);
  private readonly channel = inject(WorkflowStatusChannel);
  private readonly commands = inject(Commands);
  private readonly router = inject(Router);
  private readonly settings = inject(Settings);
  private readonly announcer = inject(LiveAnnouncer);
  private readonly title = inject(Title);
  private readonly clipboard = inject(Clipboard);
  protected readonly page = inject(PageLink);
  protected readonly bell = inject(CompletionBell);
  protected readonly logs = inject(LogStore);

  protected readonly tabs = TABS;
  private readonly tabList = viewChild<ElementRef<HTMLElement>>('tabList');
  private readonly watched = signal<Watched | null>(null);
  protected readonly workflow = computed(() => this.watched()?.workflow() ?? null);
  protected readonly refusal = computed(() => this.watched()?.link().refusal ?? null);
  protected readonly name = computed(() => {
    const workflow = this.workflow();
    return workflow ? titleOf(workflow) : this.id();
  });
  protected readonly current = computed<Tab>(
    () => TABS.find((tab) => tab.id === this.tab())?.id ?? 'overview',
  );
  protected readonly lost = computed(() => this.page.doubtful() && !this.workflow()?.isTerminal);
  protected readonly doubtful = computed(() => {
    const workflow = this.workflow();
    return workflow !== null && !workflow.isTerminal && workflow.heartbeat === 'stale';
  });
  /** From the first doubt until the visit ends, so that the page moves once at most. */
  protected readonly doubted = linkedSignal<string, boolean>({
    source: () => this.id(),
    computation: () => false,
  });
  protected readonly asked = computed(() => this.commands.pending().get(this.id()));
  protected readonly viewerOnly = this.commands.viewerOnly;
  protected readonly sign = computed(() => {
    const workflow = this.workflow();
    return workflow ? signOf(workflow, this.lost()) : null;
  });
  protected readonly startedAt = computed(() => {
    const workflow = this.workflow();
    if (!workflow) return null;
    const now = this.page.truth();
    const by = workflow.started_by ? `Started by ${workflow.started_by} at` : 'Asked for at';
    return {
      words: `${by} ${clockTime(workflow.created_at, now)}`,
      full: fullTime(workflow.created_at),
    };
  });
  protected readonly doubt = computed(() => {
    const workflow = this.workflow();
    if (!workflow || !this.doubtful()) return null;
    const last = workflow.last_heartbeat_at;
    if (last === null) {
      return {
        head: 'No heartbeat is known. Checking with the executor.',
        body:
          'Nobody has vouched for the process since this server listens. Whether it still is ' +
          `${workflow.status}, nobody can say yet. A verdict is due at any moment.`,
      };
    }
    const now = this.page.truth();
    const { heartbeat_timeout_s: timeout, heartbeat_interval_s: interval } = this.settings.config();
    const verdict = Date.parse(last) + (timeout + interval) * 1000;
    const task = workflow.progress?.total ? ` task ${(workflow.progress.done ?? 0) + 1}` : '';
    return {
      head: `No heartbeat for ${wholeDuration(now - Date.parse(last))}. Checking with the executor.`,
      body:
        `At ${clockTime(last, now)} it was ${workflow.status}${workflow.status === 'running' ? task : ''}. ` +
        'Whether it still is, nobody can say yet, so the clock has stopped. ' +
        (verdict > now
          ? `A verdict follows by ${clockTime(verdict, now)} at the latest.`
          : 'A verdict is due at any moment.'),
    };
  });
  protected readonly history = resource({
    params: () => {
      const workflow = this.workflow();
      return workflow ? { id: workflow.id, version: workflow.version } : undefined;
    },
    loader: ({ params }) => this.api.history(params.id),
  });
  protected readonly transitions = linkedSignal<
    { readonly id: string; readonly items: readonly Transition[] },
    readonly Transition[]
  >({
    source: () => ({
      id: this.id(),
      items: this.history.hasValue() ? this.history.value().items : [],
    }),
    // While the next history is on its way, the last one stays.
    computation: (source, before) =>
      source.items.length === 0 && before?.source.id === source.id ? before.value : source.items,
  });
  protected readonly chain = resource({
    params: () => {
      const workflow = this.workflow();
      return workflow ? { id: workflow.id, of: workflow.retry_of } : undefined;
    },
    loader: ({ params }) => this.loadChain(params.id, params.of),
  });
  protected readonly tries = computed(() => (this.chain.hasValue() ? this.chain.value() : []));
  protected readonly facts = computed(() => {
    const workflow = this.workflow();
    return workflow ? factsOf(workflow, this.page.truth()) : [];
  });
  protected readonly report = computed(() => {
    const workflow = this.workflow();
    return workflow ? JSON.stringify(workflow, null, 2) : '';
  });
  protected readonly counts = computed<Partial<Record<Tab, string>>>(() => ({
    logs: this.logs.count() > 0 ? this.logs.count().toLocaleString('en') : '',
    history: this.transitions().length > 0 ? String(this.transitions().length) : '',
  }));

  constructor() {
    const until = inject(DestroyRef);
    let visit: Visit | null = null;
    until.onDestroy(() => visit?.end());
    effect(() => {
      const id = this.id();
      untracked(() => {
        visit?.end();
        const mine = (visit = new Visit());
        const watched = this.channel.watch(id, mine);
        this.watched.set(watched);
        mine.onDestroy(this.page.use(watched.link, () => watched.push()));
        this.logs.follow(id, mine);
      });
    });
    effect(() => {
      if (this.doubtful()) this.doubted.set(true);
    });
    // On a narrow screen the tabs scroll sideways, and an address may name one that is out of sight.
    effect(() => {
      const list = this.tabList()?.nativeElement;
      const tab = list?.querySelector(`#tab-${this.current()}`);
      if (!list || !tab) return;
      const beyond = tab.getBoundingClientRect().right - list.getBoundingClientRect().right;
      if (beyond > 0) list.scrollLeft += beyond + 16;
    });
    let told: { id: string; label: string } | null = null;
    effect(() => {
      const sign = this.sign();
      const workflow = this.workflow();
      if (!sign || !workflow) return;
      this.title.setTitle(`${sign.label} · ${titleOf(workflow)} · lastword`);
      if (told?.id === workflow.id && told.label !== sign.label) {
        void this.announcer.announce(`${titleOf(workflow)}: ${sign.label}`, 'polite');
      }
      told = { id: workflow.id, label: sign.label };
      this.logs.ended(workflow.isTerminal);
      this.bell.tell(workflow);
    });
    inject(Shortcuts).use(
      [
        { keys: 'r', does: 'Retry', act: () => void this.act('retry') },
        { keys: 'e', does: 'Check with the executor', act: () => void this.act('reconcile') },
        { keys: 'f', does: 'Follow the log', act: () => this.logs.toggleFollow() },
        { keys: '[', does: 'Tab before', act: () => this.turn(-1) },
        { keys: ']', does: 'Next tab', act: () => this.turn(1) },
      ],
      until,
    );
  }

  protected async act(act: Act): Promise<void> {
    const workflow = this.workflow();
    if (!workflow) return;
    const [answer] = await this.commands[act]([workflow]);
    if (!answer) return;
    if (act === 'retry') await this.router.navigate(['/workflows', answer.id]);
    else this.watched()?.accept(answer);
  }

  protected copyReport(): void {
    if (this.clipboard.copy(this.report())) void this.announcer.announce('Copied');
  }

  protected open(tab: Tab): void {
    void this.router.navigate([], {
      queryParams: { tab: tab === 'overview' ? null : tab },
      replaceUrl: true,
    });
  }

  protected turn(by: number): void {
    const at = TABS.findIndex((tab) => tab.id === this.current());
    const next = TABS[(at + by + TABS.length) % TABS.length];
    if (next) this.open(next.id);
  }

  protected turnByArrow(event: Event, by: number): void {
    event.preventDefault();
    this.turn(by);
    const list = (event.currentTarget as HTMLElement).parentElement;
    setTimeout(() => list?.querySelector<HTMLElement>('[aria-selected="true"]')?.focus());
  }

  /** The tries before this one, this one, and those after it, oldest first. */
  private async loadChain(id: string, of: string | null): Promise<readonly Try[]> {
    const before: Workflow[] = [];
    let parent = of;
    while (parent !== null && before.length < 20) {
      const { body } = await this.api.workflow(parent, null).catch(missing);
      if (body === null) break;
      before.unshift(body);
      parent = body.retry_of;
    }
    const after = await this.api.list({ retry_of: id, limit: '20' }, null).catch(missing);
    const later = after.body?.items.filter((workflow) => workflow.retry_of === id) ?? [];
    if (before.length === 0 && later.length === 0) return [];
    return [...before, null, ...[...later].reverse()].map((workflow, index) => ({
      workflow,
      name: index === 0 ? 'First try' : `Try ${index + 1}`,
    }));
  }
}

interface Try {
  /** Null for the one on the page. */
  readonly workflow: Workflow | null;
  readonly name: string;
}

/** What lives as long as one workflow is on the page. */
class Visit extends DestroyRef {
  private readonly last: (() => void)[] = [];
  private over = false;

  override get destroyed(): boolean {
    return this.over;
  }

  override onDestroy(callback: () => void): () => void {
    this.last.push(callback);
    return () => {
      this.last.splice(this.last.indexOf(callback), 1);
    };
  }

  end(): void {
    this.over = true;
    for (const callback of this.last.splice(0)) callback();
  }
}

function missing(error: unknown): { readonly body: null } {
  if (error instanceof ApiError) return { body: null };
  throw error;
}

interface Fact {
  readonly term: string;
  readonly value: string;
  readonly mono?: boolean;
  readonly copy?: boolean;
  readonly link?: readonly string[];
}

function factsOf(workflow: Workflow, now: number): readonly Fact[] {
  const usage = workflow.usage;
  const tokens = usage
    ? `${(usage.prompt_tokens ?? 0).toLocaleString('en')} in, ${(usage.completion_tokens ?? 0).toLocaleString('en')} out`
    : '';
  const waited = workflow.started_at
    ? `${duration(Date.parse(workflow.started_at) - Date.parse(workflow.created_at))} in the queue`
    : '';
  const deadline =
    workflow.deadline_s === null
      ? ''
      : workflow.started_at && !workflow.isTerminal
        ? `${roundDuration(workflow.deadline_s * 1000)}, at ${clockTime(Date.parse(workflow.started_at) + workflow.deadline_s * 1000, now)}`
        : roundDuration(workflow.deadline_s * 1000);
  const facts: readonly (Fact | null)[] = [
    { term: 'Definition', value: workflow.definition },
    workflow.executor ? { term: 'Executor', value: workflow.executor, copy: true } : null,
    workflow.isTerminal && workflow.last_heartbeat_at
      ? { term: 'Last beat', value: clockTime(workflow.last_heartbeat_at, now) }
      : null,
    deadline ? { term: 'Deadline', value: deadline } : null,
    waited ? { term: 'Waited', value: waited } : null,
    tokens ? { term: 'Tokens', value: tokens } : null,
    usage?.calls ? { term: 'Model calls', value: usage.calls.toLocaleString('en') } : null,
    { term: 'Position', value: String(workflow.position), mono: true, copy: true },
  ];
  return facts.filter((fact) => fact !== null);
}
