import { Component, computed, inject, input, resource, signal } from '@angular/core';
import { Api } from '../../api/api';
import { sentence } from '../../api/api-error';
import type { Workflow } from '../../api/contracts';
import { bytes } from '../../shared/times';
import { CopyButton } from '../../shared/copy-button';
import { JsonView } from './json-view';
import { MarkdownView } from './markdown-view';
import { proseOf } from './prose';

/** What the workflow brought: text as people read it, everything else as JSON. */
@Component({
  selector: 'lw-result-view',
  imports: [CopyButton, JsonView, MarkdownView],
  template: `
    @if (workflow().status !== 'success') {
      <p class="none muted">
        {{
          workflow().isTerminal
            ? 'It ended without a result.'
            : 'The result appears here when the workflow succeeds.'
        }}
      </p>
    } @else if (large(); as reference) {
      @if (brought.isLoading()) {
        <p class="none muted">Fetching {{ size(reference.size) }}.</p>
      } @else if (brought.error(); as error) {
        <p class="none">The result could not be fetched: {{ words(error) }}</p>
      } @else if (!wanted()) {
        <p class="none">
          The result is {{ size(reference.size) }}.
          <button type="button" class="button small" (click)="wanted.set(true)">Show it</button>
        </p>
      }
    }
    @if (shown() && prose(); as text) {
      <div class="bar">
        <span class="label">{{ prose()?.field ? 'Result: ' + prose()?.field : 'Result' }}</span>
        <span class="grow"></span>
        <div class="choice" role="group" aria-label="How to show the result">
          <button type="button" [attr.aria-pressed]="!raw()" (click)="raw.set(false)">Text</button>
          <button type="button" [attr.aria-pressed]="raw()" (click)="raw.set(true)">JSON</button>
        </div>
        <lw-copy-button [text]="text.text" name="the result" />
      </div>
    }
    @if (shown()) {
      <div class="body">
        @if (prose() && !raw()) {
          @defer (on immediate) {
            <lw-markdown-view [text]="prose()?.text ?? ''" />
          } @placeholder {
            <span class="muted">…</span>
          }
        } @else {
          <lw-json-view [value]="value()" name="Result" />
        }
      </div>
    }
  `,
  styles: `
    .none {
      padding: 20px 16px;
    }
    .bar {
      display: flex;
      align-items: center;
      gap: 10px;
      min-height: 44px;
      padding: 4px 12px 4px 16px;
      border-bottom: 1px solid var(--line);
    }
    .body {
      padding: 16px;
      max-height: 640px;
      overflow: auto;
    }
  `,
})
export class ResultView {
  readonly workflow = input.required<Workflow>();
  private readonly api = inject(Api);
  protected readonly raw = signal(false);
  protected readonly wanted = signal(false);
  protected readonly large = computed(() => this.workflow().result_ref);
  protected readonly brought = resource({
    params: () => (this.wanted() && this.large() ? this.workflow().id : undefined),
    loader: ({ params }) => this.api.result(params),
  });
  protected readonly value = computed(() =>
    this.large()
      ? this.brought.hasValue()
        ? this.brought.value()
        : undefined
      : this.workflow().result,
  );
  protected readonly shown = computed(
    () => this.workflow().status === 'success' && this.value() !== undefined,
  );
  protected readonly prose = computed(() => proseOf(this.value()));
  protected readonly size = bytes;
  protected readonly words = sentence;
}
