import { Component, inject, resource } from '@angular/core';
import { RouterLink } from '@angular/router';
import { Api } from '../api/api';
import { sentence } from '../api/api-error';
import type { Definition } from '../api/contracts';
import { Icon } from '../shared/icon';
import { ago, roundDuration } from '../shared/times';
import { Ticker } from '../shared/ticker';
import { StartOpener } from './start-opener';

/** Everything that can be started, and what is broken. */
@Component({
  selector: 'lw-definitions',
  imports: [Icon, RouterLink],
  template: `
    <main class="page">
      <div class="page-head"><h1>Definitions</h1></div>
      @if (found.error(); as error) {
        <div class="empty">
          <div>
            <h2>The definitions cannot be shown</h2>
            <p>{{ words(error) }}</p>
            <div class="actions">
              <button type="button" class="button primary" (click)="found.reload()">Try now</button>
            </div>
          </div>
        </div>
      } @else if (found.hasValue()) {
        @if (found.value().items.length === 0) {
          <div class="empty">
            <div>
              <h2>Nothing can be started yet</h2>
              <p>Executors say what they can run when they start. Declare it in lastword.toml.</p>
            </div>
          </div>
        }
        <ul>
          @for (one of found.value().items; track one.name) {
            <li class="card">
              <div class="inside">
                <div class="head">
                  <h2>{{ one.name }}</h2>
                  <span class="muted">{{ one.kind }}</span>
                </div>
                <p class="ink-2 description" dir="auto">
                  {{ one.description || 'It does not describe itself.' }}
                </p>
                @if (one.error) {
                  <p class="code wrong">{{ one.error }}</p>
                }
                <dl>
                  @if (one.source) {
                    <dt>Source</dt>
                    <dd class="mono clip" [attr.title]="one.source">{{ one.source }}</dd>
                  }
                  @if (inputs(one); as names) {
                    <dt>Inputs</dt>
                    <dd class="clip" [attr.title]="names">{{ names }}</dd>
                  }
                  @if (one.deadline_s) {
                    <dt>Deadline</dt>
                    <dd>{{ span(one.deadline_s * 1000) }}</dd>
                  }
                  @if (one.announced_by) {
                    <dt>Announced</dt>
                    <dd>
                      by {{ one.announced_by
                      }}{{ one.announced_at ? ', ' + ago(one.announced_at, now()) : '' }}
                    </dd>
                  }
                </dl>
                <div class="go">
                  <button
                    type="button"
                    class="button"
                    [disabled]="one.kind === 'broken'"
                    (click)="start.open(one.name)"
                  >
                    <lw-icon name="plus" />Start
                  </button>
                  <a
                    class="button ghost"
                    routerLink="/workflows"
                    [queryParams]="{ definition: one.name }"
                    >Its workflows</a
                  >
                </div>
              </div>
            </li>
          }
        </ul>
      }
    </main>
  `,
  styles: `
    ul {
      display: grid;
      grid-template-columns: repeat(auto-fill, minmax(340px, 1fr));
      gap: 16px;
      padding-top: 12px;
    }
    .inside {
      display: flex;
      flex-direction: column;
      gap: 10px;
      height: 100%;
    }
    .head {
      display: flex;
      gap: 10px;
      justify-content: space-between;
    }
    h2 {
      font-size: 14px;
      overflow-wrap: anywhere;
    }
    .description {
      display: -webkit-box;
      -webkit-line-clamp: 4;
      -webkit-box-orient: vertical;
      overflow: hidden;
    }
    .wrong {
      overflow-wrap: anywhere;
      white-space: pre-wrap;
    }
    dl {
      display: grid;
      grid-template-columns: 82px minmax(0, 1fr);
      gap: 4px 8px;
    }
    dt {
      color: var(--ink-3);
    }
    .go {
      display: flex;
      gap: 8px;
      margin-top: auto;
      padding-top: 4px;
    }
    @media (max-width: 760px) {
      ul {
        padding: 12px 16px 0;
        grid-template-columns: minmax(0, 1fr);
      }
    }
  `,
})
export class Definitions {
  private readonly api = inject(Api);
  protected readonly start = inject(StartOpener);
  protected readonly now = inject(Ticker).now;
  protected readonly found = resource({ loader: () => this.api.definitions() });
  protected readonly words = sentence;
  protected readonly span = roundDuration;
  protected readonly ago = ago;

  /** The names of its inputs, a star after those that it cannot do without. */
  protected inputs({ input_schema: schema, kind }: Definition): string {
    if (kind === 'broken') return '';
    const required = Array.isArray(schema['required']) ? schema['required'] : [];
    const names = Object.keys(schema['properties'] ?? {});
    return names.map((name) => (required.includes(name) ? `${name} *` : name)).join(', ');
  }
}
