/** HTTP to the edge, on this origin: typed requests, problems as errors, conditional reads. */
import { InjectionToken, Service, inject } from '@angular/core';
import { ServerClock } from '../shared/server-clock';
import { ApiError, Unreachable } from './api-error';
import type {
  ClientConfig,
  DefinitionPage,
  ExecutorPage,
  History,
  LogPage,
  Problem,
  StartRequest,
  Summary,
  Trends,
  Workflow,
  WorkflowPage,
} from './contracts';
import { Session } from './session';

export const FETCH = new InjectionToken<typeof fetch>('FETCH', {
  factory: () => globalThis.fetch.bind(globalThis),
});

/** A question without an answer after this many ms has none: a page must not wait for ever on a dead link. */
const MOST_WAIT_MS = 30_000;

/** Filters of the list, as the address bar and `GET /workflows` both spell them. */
export type ListQuery = Readonly<Record<string, string | undefined>>;

/** How far back the course of things is told. */
export type Span = '1h' | '24h' | '7d';

/** A conditional read: `body` is null where nothing changed since `etag`. */
export interface Read<T> {
  readonly body: T | null;
  readonly etag: string | null;
}

interface Request {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly aborted?: AbortSignal;
}

@Service()
export class Api {
  private readonly fetch = inject(FETCH);
  private readonly session = inject(Session);
  private readonly clock = inject(ServerClock);

  config(): Promise<ClientConfig> {
    return this.get('/config');
  }

  summary(aborted?: AbortSignal): Promise<Summary> {
    return this.get('/summary', aborted);
  }

  trends(span: Span): Promise<Trends> {
    return this.get(`/trends?span=${span}`);
  }

  definitions(): Promise<DefinitionPage> {
    return this.get('/definitions');
  }

  executors(aborted?: AbortSignal): Promise<ExecutorPage> {
    return this.get('/executors', aborted);
  }

  list(query: ListQuery, etag: string | null, aborted?: AbortSignal): Promise<Read<WorkflowPage>> {
    return this.read(`/workflows${search(query)}`, etag, aborted);
  }

  workflow(id: string, etag: string | null, aborted?: AbortSignal): Promise<Read<Workflow>> {
    return this.read(workflowPath(id), etag, aborted);
  }

  history(id: string): Promise<History> {
    return this.get(`${workflowPath(id)}/history`);
  }

  /** Lines after `cursor`, oldest first; from the first line where there is none. */
  logs(id: string, cursor: string | null, limit: number): Promise<LogPage> {
    const query = search({ cursor: cursor ?? undefined, limit: String(limit) });
    return this.get(`${workflowPath(id)}/logs${query}`);
  }

  /** The result that was too large for the workflow itself. */
  result(id: string): Promise<unknown> {
    return this.get(`${workflowPath(id)}/result`);
  }

  /** `key` makes a repetition harmless: the same key always names the same workflow. */
  start(request: StartRequest, key: string): Promise<Workflow> {
    return this.send('/workflows', {
      method: 'POST',
      body: request,
      headers: { 'Idempotency-Key': key },
    });
  }

  /** `act` is asked for; the answer is how the workflow then stands. */
  command(id: string, act: 'cancel' | 'reconcile' | 'retry'): Promise<Workflow> {
    return this.send(`${workflowPath(id)}/${act}`, { method: 'POST' });
  }

  logIn(token: string): Promise<void> {
    return this.send('/session', { method: 'POST', body: { token } });
  }

  logOut(): Promise<void> {
    return this.send('/session', { method: 'DELETE' });
  }

  private get<T>(path: string, aborted?: AbortSignal): Promise<T> {
    return this.send(path, { aborted });
  }

  private async send<T>(path: string, request: Request): Promise<T> {
    const response = await this.go(path, request);
    if (!response.ok) throw await this.refusal(response);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  private async read<T>(
    path: string,
    etag: string | null,
    aborted?: AbortSignal,
  ): Promise<Read<T>> {
    const headers: Record<string, string> = etag ? { 'If-None-Match': etag } : {};
    const response = await this.go(path, { headers, aborted });
    if (response.status === 304) return { body: null, etag };
    if (!response.ok) throw await this.refusal(response);
    return { body: (await response.json()) as T, etag: response.headers.get('ETag') };
  }

  private async go(
    path: string,
    { method = 'GET', body, headers, aborted }: Request,
  ): Promise<Response> {
    const asked = Date.now();
    const limit = AbortSignal.timeout(MOST_WAIT_MS);
    let response: Response;
    try {
      response = await this.fetch(path, {
        method,
        // The browser's own cache would hide the 304 and its validators from us.
        cache: 'no-store',
        credentials: 'same-origin',
        signal: aborted ? AbortSignal.any([aborted, limit]) : limit,
        headers: {
          Accept: 'application/json',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (aborted?.aborted) throw error;
      throw new Unreachable(`${method} ${path}`, { cause: error });
    }
    this.clock.learn(response.headers.get('Date'), asked, Date.now());
    return response;
  }

  private async refusal(response: Response): Promise<ApiError> {
    if (response.status === 401) this.session.require();
    const after = Number(response.headers.get('Retry-After') ?? Number.NaN);
    let problem: Problem;
    try {
      problem = (await response.json()) as Problem;
    } catch {
      problem = { status: response.status, code: 'unreadable', title: `HTTP ${response.status}` };
    }
    return new ApiError(
      { ...problem, status: response.status },
      Number.isFinite(after) ? after * 1000 : null,
    );
  }
}

function workflowPath(id: string): string {
  return `/workflows/${encodeURIComponent(id)}`;
}

/** `?a=b&c=d` of what is set; nothing where nothing is. */
export function search(query: ListQuery): string {
  const set = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
  return set.length === 0 ? '' : `?${new URLSearchParams(set)}`;
}
