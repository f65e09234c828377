import { Component, computed, input, signal } from '@angular/core';
import type { Workflow, WorkflowError } from '../../api/contracts';
import { CopyButton } from '../../shared/copy-button';
import { Icon } from '../../shared/icon';
import { StatusIcon } from '../../signs/status-icon';
import { advice, headline, signalName } from '../../signs/why';

/** A message longer than this shows its beginning until someone wants all of it. */
const LONG = 600;

/** Why it failed: a sentence, the code, the facts, and what the process left behind. */
@Component({
  selector: 'lw-error-card',
  imports: [CopyButton, Icon, StatusIcon],
  template: `
    <section class="card" aria-label="Why it failed">
      <div class="what">
        <lw-status-icon shape="failed" />
        <div class="grow">
          <h2>{{ head() }}</h2>
          @if (message()) {
            <p
              class="message"
              dir="auto"
              data-error-message
              [class.capital]="error().code !== 'exception'"
              [textContent]="message()"
            ></p>
          }
          @if (isLong()) {
            <button type="button" class="button ghost small" (click)="whole.set(!whole())">
              {{ whole() ? 'Show less' : 'Show all of it' }}
            </button>
          }
          @if (hint()) {
            <p>{{ hint() }}</p>
          }
          <div class="facts">
            <span class="code">{{ error().code }}</span>
            @for (fact of facts(); track fact) {
              <span>{{ fact }}</span>
            }
          </div>
        </div>
      </div>
      @if (left(); as text) {
        <div class="left">
          <details [open]="!error().traceback || text.length < 4000">
            <summary>
              <lw-icon name="right" />
              {{ error().traceback ? 'Traceback' : 'Last error output' }}
            </summary>
            <pre
              tabindex="0"
              role="region"
              [attr.aria-label]="error().traceback ? 'Traceback' : 'Last error output'"
              >{{ text }}</pre>
          </details>
          <lw-copy-button
            class="copy"
            [text]="text"
            [name]="error().traceback ? 'the traceback' : 'the output'"
          />
        </div>
      }
    </section>
  `,
  styles: `
    .what {
      display: flex;
      gap: 14px;
      padding: 16px;
    }
    lw-status-icon {
      width: 18px;
      height: 18px;
      color: var(--failed);
      margin-top: 2px;
    }
    .what .grow {
      min-width: 0;
    }
    h2 {
      font-size: 15px;
      line-height: 22px;
      font-weight: 600;
      overflow-wrap: anywhere;
    }
    p {
      color: var(--ink-2);
      margin-top: 4px;
      max-width: 92ch;
      overflow-wrap: anywhere;
    }
    .message {
      white-space: pre-wrap;
      color: var(--ink);
    }
    .capital::first-letter {
      text-transform: uppercase;
    }
    .button {
      margin: 4px 0 0 -10px;
    }
    .facts {
      display: flex;
      flex-wrap: wrap;
      gap: 6px 12px;
      margin-top: 10px;
      color: var(--ink-2);
    }
    .left {
      position: relative;
    }
    .copy {
      position: absolute;
      top: 9px;
      right: 14px;
    }
    summary {
      list-style: none;
      cursor: pointer;
      display: flex;
      align-items: center;
      gap: 8px;
      min-height: 40px;
      padding: 0 16px;
      font-weight: 500;
      color: var(--ink-2);
      border-top: 1px solid var(--line);
    }
    details[open] summary lw-icon {
      transform: rotate(90deg);
    }
    pre {
      font: 400 12px/19px var(--mono);
      letter-spacing: -0.02em;
      background: var(--sunken);
      border-top: 1px solid var(--line);
      border-radius: 0 0 9px 9px;
      padding: 12px 16px;
      color: var(--ink-2);
      white-space: pre-wrap;
      overflow-wrap: anywhere;
      overflow: auto;
      max-height: 420px;
    }
  `,
})
export class ErrorCard {
  readonly workflow = input.required<Workflow>();
  readonly error = input.required<WorkflowError>();
  protected readonly whole = signal(false);
  protected readonly head = computed(() => headline(this.workflow()));
  protected readonly hint = computed(() => advice(this.error()));
  protected readonly isLong = computed(() => this.error().message.length > LONG);
  protected readonly message = computed(() => {
    const text = this.error().message;
    return this.isLong() && !this.whole() ? `${text.slice(0, LONG)}…` : text;
  });
  protected readonly left = computed(() => this.error().traceback ?? this.error().output ?? null);
  protected readonly facts = computed(() => {
    const error = this.error();
    const executor = this.workflow().executor;
    return [
      error.signal ? `${signalName(error.signal)} (${error.signal})` : null,
      error.exit_code === null || error.exit_code === undefined
        ? null
        : `exit code ${error.exit_code}`,
      error.type ?? null,
      executor ? `on ${executor}` : null,
    ].filter((fact) => fact !== null);
  });
}
