import type { Provider } from '@angular/core';
import { FETCH } from '../app/api/api';
import type { Workflow } from '../app/api/contracts';
import { OPEN_EVENTS, OPEN_WEB_SOCKET } from '../app/live/transports';
import { Opener } from './hand-driven';

/** What a test wants answered to `GET /summary`, `POST /workflows` and so on: a body, or a whole response. */
type Answer = (path: string, body: unknown) => unknown;

/** A server as pages see it: answers by method and path, sockets driven by hand, and a list of what was asked. */
export class FakeServer {
  readonly ws = new Opener();
  readonly sse = new Opener();
  readonly asked: string[] = [];
  workflows: readonly Workflow[] = [];
  more: string | null = null;
  position = 10;
  /** Sees every question as it was sent. */
  spy: (path: string, init: RequestInit) => void = () => undefined;
  private readonly answers: { readonly asked: RegExp; readonly answer: Answer }[] = [];

  /** The providers that put it in place of the real one. */
  get providers(): Provider[] {
    return [
      { provide: OPEN_WEB_SOCKET, useValue: this.ws.open },
      { provide: OPEN_EVENTS, useValue: this.sse.open },
      { provide: FETCH, useValue: (path: string, init: RequestInit) => this.fetch(path, init) },
    ];
  }

  /** The latest answer for a question wins: `on(/^POST .*cancel$/, …)`. */
  on(asked: RegExp, answer: Answer): this {
    this.answers.unshift({ asked, answer });
    return this;
  }

  /** Refuses as RFC 9457 has it. */
  refuse(asked: RegExp, status: number, more: object = {}, headers: HeadersInit = {}): this {
    const problem = { status, code: `code_${status}`, title: `Refused with ${status}`, ...more };
    return this.on(asked, () => new Response(JSON.stringify(problem), { status, headers }));
  }

  /** Nobody answers. */
  vanish(asked = /./): this {
    return this.on(asked, () => Promise.reject(new TypeError('Failed to fetch')));
  }

  count(asked: RegExp): number {
    return this.asked.filter((one) => asked.test(one)).length;
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    const question = `${init.method ?? 'GET'} ${path}`;
    this.asked.push(question);
    this.spy(path, init);
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    const known = this.answers.find((one) => one.asked.test(question));
    const answer = known ? await known.answer(path, body) : this.usual(path);
    if (answer === undefined)
      return new Response('{"status":404,"code":"not_found"}', { status: 404 });
    return answer instanceof Response ? answer : new Response(JSON.stringify(answer));
  }

  private usual(path: string): unknown {
    const [, first, id, part] = path.split('?')[0]?.split('/') ?? [];
    switch (first) {
      case 'summary':
        return { statuses: this.counts(), stale: 0, position: this.position, executors: 1 };
      case 'config':
        return { version: '1.0.0', epoch: 'e1' };
      case 'executors':
      case 'definitions':
        return { items: [] };
      case 'workflows':
        if (id === undefined)
          return { items: this.workflows, next_cursor: this.more, position: this.position };
        if (part === 'history' || part === 'logs') return { items: [], next_cursor: null };
        return this.workflows.find((workflow) => workflow.id === id);
      default:
        return undefined;
    }
  }

  private counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { status } of this.workflows) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }
}
