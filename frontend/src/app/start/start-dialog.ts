import { DIALOG_DATA, DialogRef } from '@angular/cdk/dialog';
import {
  Component,
  DestroyRef,
  ElementRef,
  Injector,
  afterNextRender,
  computed,
  effect,
  inject,
  linkedSignal,
  resource,
  signal,
} from '@angular/core';
import { Router } from '@angular/router';
import { Api } from '../api/api';
import { ApiError, sentence } from '../api/api-error';
import type { Definition } from '../api/contracts';
import { Icon } from '../shared/icon';
import { Notices } from '../shared/notices';
import { bytes, roundDuration } from '../shared/times';
import { SchemaFields } from './schema-fields';
import { draftOf, fieldsOf, inputsOf, skeletonOf, type Draft, type Faults } from './schema';

/** The server refuses more, as compact JSON. */
const MOST_BYTES = 65_536;

/** Picks a definition, takes its inputs, and starts it: once, however often the button is pressed. */
@Component({
  selector: 'lw-start-dialog',
  imports: [Icon, SchemaFields],
  templateUrl: './start-dialog.html',
  styleUrl: './start-dialog.css',
  host: {
    '(keydown.escape)': 'close()',
    '(keydown.control.enter)': 'start()',
    '(keydown.meta.enter)': 'start()',
  },
})
export class StartDialog {
  private readonly api = inject(Api);
  private readonly dialog = inject<DialogRef>(DialogRef);
  private readonly router = inject(Router);
  private readonly notices = inject(Notices);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
  private readonly wanted = inject<string | null>(DIALOG_DATA);
  protected readonly mac = /Mac|iPhone|iPad/.test(navigator.userAgent);

  protected readonly definitions = resource({ loader: () => this.api.definitions() });
  protected readonly sought = signal('');
  protected readonly all = computed(() =>
    this.definitions.hasValue() ? this.definitions.value().items : [],
  );
  protected readonly shown = computed(() => {
    const text = this.sought().trim().toLowerCase();
    return this.all().filter((one) =>
      `${one.name} ${one.description ?? ''}`.toLowerCase().includes(text),
    );
  });
  private readonly picked = signal<string | null>(this.wanted);
  protected readonly definition = computed<Definition | null>(() => {
    const all = this.all();
    return (
      all.find((one) => one.name === this.picked()) ??
      all.find((one) => one.kind !== 'broken') ??
      all[0] ??
      null
    );
  });
  /** On a narrow screen the definition is picked first, then its inputs are asked for. */
  protected readonly step = signal<'pick' | 'fill'>(this.wanted === null ? 'pick' : 'fill');

  protected readonly fields = computed(() => {
    const definition = this.definition();
    return definition && definition.kind !== 'broken' ? fieldsOf(definition.input_schema) : null;
  });
  protected readonly mode = linkedSignal<'form' | 'json'>(() =>
    this.fields() === null ? 'json' : 'form',
  );
  protected readonly draft = linkedSignal<Draft>(() => draftOf(this.fields() ?? []));
  protected readonly json = linkedSignal(() => {
    const fields = this.fields();
    const definition = this.definition();
    const start =
      fields === null
        ? skeletonOf(definition?.input_schema ?? {})
        : inputsOf(fields, draftOf(fields)).inputs;
    return JSON.stringify(start, null, 2);
  });
  protected readonly title = signal('');
  protected readonly touched = linkedSignal<ReadonlySet<string>>(() => {
    void this.definition();
    return new Set<string>();
  });
  protected readonly tried = signal(false);
  /** What the server said is wrong, until the draft changes. */
  private readonly refused = linkedSignal<Faults>(() => {
    void this.draft();
    void this.json();
    return {};
  });
  protected readonly problem = linkedSignal(() => {
    void this.draft();
    void this.json();
    void this.definition();
    return '';
  });
  protected readonly asked = signal(false);
  protected readonly waits = signal(0);
  private key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  private sent = '';

  protected readonly read = computed(() => {
    if (this.mode() === 'form') return inputsOf(this.fields() ?? [], this.draft());
    try {
      const value: unknown = JSON.parse(this.json() || '{}');
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        return { inputs: {}, faults: { json: 'Inputs are one JSON object: { … }.' } };
      }
      return { inputs: value as Record<string, unknown>, faults: {} };
    } catch (error) {
      return { inputs: {}, faults: { json: `This is not JSON yet: ${(error as Error).message}` } };
    }
  });
  protected readonly faults = computed<Faults>(() => ({
    ...this.read().faults,
    ...this.refused(),
  }));
  protected readonly jsonFault = computed(() => {
    const faults = this.faults();
    return (
      faults['json'] ??
      Object.entries(faults)
        .map(([path, text]) => `${path}: ${text}`)
        .join(' ')
    );
  });
  protected readonly size = computed(
    () => new TextEncoder().encode(JSON.stringify(this.read().inputs)).length,
  );
  protected readonly tooLarge = computed(() => this.size() > MOST_BYTES);
  protected readonly toCorrect = computed(() => Object.keys(this.faults()).length);
  protected readonly summary = computed(() => {
    const count = this.toCorrect();
    const seen =
      this.tried() || Object.keys(this.faults()).some((path) => this.touched().has(path));
    const wrong =
      count > 0 && seen ? `${count} ${count === 1 ? 'field' : 'fields'} to correct. ` : '';
    return `${wrong}Inputs ${bytes(this.size())} of 64 KB.`;
  });
  protected readonly words = sentence;

  constructor() {
    // The first field takes the focus when it is there, and only once: later picks keep theirs.
    const injector = inject(Injector);
    const first = effect(() => {
      if (this.definition() === null) return;
      first.destroy();
      afterNextRender(() => this.host.querySelector<HTMLElement>('[data-first]')?.focus(), {
        injector,
      });
    });
    inject(DestroyRef).onDestroy(() => clearInterval(this.timer));
  }
  private timer: ReturnType<typeof setInterval> | undefined;

  protected pick(definition: Definition): void {
    this.picked.set(definition.name);
    this.tried.set(false);
    this.step.set('fill');
  }

  protected limits(definition: Definition): string {
    if (definition.kind === 'broken') return 'cannot be started';
    const deadline = definition.deadline_s;
    return deadline
      ? `${definition.kind}, at most ${roundDuration(deadline * 1000)}`
      : definition.kind;
  }

  protected showJson(): void {
    if (this.mode() === 'json') return;
    this.json.set(JSON.stringify(this.read().inputs, null, 2));
    this.mode.set('json');
  }

  protected showForm(): void {
    const fields = this.fields();
    if (this.mode() === 'form' || fields === null) return;
    const { inputs, faults } = this.read();
    if (Object.keys(faults).length === 0) this.draft.set(draftOf(fields, inputs));
    this.mode.set('form');
  }

  protected async start(): Promise<void> {
    const definition = this.definition();
    if (!definition || definition.kind === 'broken' || this.asked()) return;
    this.tried.set(true);
    if (this.toCorrect() > 0 || this.tooLarge()) {
      setTimeout(() =>
        this.host.querySelector<HTMLElement>('[aria-invalid="true"], .bad input')?.focus(),
      );
      return;
    }
    const request = {
      definition: definition.name,
      inputs: this.read().inputs,
      title: this.title().trim() || null,
    };
    // The same request keeps its key, so that pressing again after silence starts nothing twice.
    const text = JSON.stringify(request);
    if (this.sent !== '' && this.sent !== text)
      this.key = crypto.randomUUID?.() ?? `${Math.random()}`;
    this.sent = text;
    this.asked.set(true);
    this.problem.set('');
    try {
      const workflow = await this.api.start(request, this.key);
      this.dialog.close();
      this.notices.done(`Started ${workflow.title || workflow.id}`);
      await this.router.navigate(['/workflows', workflow.id]);
    } catch (error) {
      this.refuse(error);
    } finally {
      this.asked.set(false);
    }
  }

  protected schemaText(definition: Definition): string {
    return JSON.stringify(definition.input_schema, null, 2);
  }

  protected close(): void {
    this.dialog.close();
  }

  private refuse(error: unknown): void {
    if (error instanceof ApiError && error.problem.errors?.length) {
      const faults: Record<string, string> = {};
      for (const { field, message } of error.problem.errors) faults[field] = message;
      this.refused.set(faults);
    }
    this.problem.set(sentence(error));
    if (error instanceof ApiError && error.status === 503)
      this.retryAfter(error.retryAfterMs ?? 2_000);
  }

  /** Counts down and asks again: what was typed stays, and nothing is started twice. */
  private retryAfter(ms: number): void {
    clearInterval(this.timer);
    this.waits.set(Math.ceil(ms / 1000));
    this.timer = setInterval(() => {
      this.waits.update((left) => left - 1);
      if (this.waits() > 0) return;
      clearInterval(this.timer);
      void this.start();
    }, 1000);
  }
}
