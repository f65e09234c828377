import { NgTemplateOutlet } from '@angular/common';
import { Component, computed, input, model } from '@angular/core';
import { Icon } from '../shared/icon';
import type { Draft, Faults, Field } from './schema';

/** The fields of a form, drawn from a schema. What was typed is kept by path in `draft`. */
@Component({
  selector: 'lw-schema-fields',
  imports: [Icon, NgTemplateOutlet],
  templateUrl: './schema-fields.html',
  styleUrl: './schema-fields.css',
})
export class SchemaFields {
  readonly fields = input.required<readonly Field[]>();
  readonly draft = model.required<Draft>();
  /** What is wrong; shown only where someone has been, or after they tried to start. */
  readonly faults = input<Faults>({});
  readonly touched = model<ReadonlySet<string>>(new Set());
  readonly all = input(false);

  protected readonly first = computed(() => this.fields()[0]?.path);

  protected fault(field: Field): string {
    const shown = this.all() || this.touched().has(field.path);
    return shown ? (this.faults()[field.path] ?? '') : '';
  }

  protected textOf(field: Field): string {
    return String(this.draft()[field.path] ?? '');
  }

  protected isOn(field: Field): boolean {
    return this.draft()[field.path] === true;
  }

  protected listOf(field: Field): readonly string[] {
    const value = this.draft()[field.path];
    return Array.isArray(value) ? value : [];
  }

  protected set(field: Field, value: string | boolean): void {
    this.draft.set({ ...this.draft(), [field.path]: value });
  }

  protected touch(field: Field): void {
    this.touched.set(new Set(this.touched()).add(field.path));
  }

  /** Enter or a comma ends an entry; an empty box and Backspace takes the last one back. */
  protected typeEntry(field: Field, event: KeyboardEvent, box: HTMLInputElement): void {
    if (event.key === 'Enter' || event.key === ',') {
      if (box.value.trim() === '' && event.key === 'Enter') return;
      event.preventDefault();
      this.addEntry(field, box);
    } else if (event.key === 'Backspace' && box.value === '') {
      this.removeEntry(field, this.listOf(field).length - 1);
    }
  }

  protected addEntry(field: Field, box: HTMLInputElement): void {
    const text = box.value.trim();
    if (text !== '')
      this.draft.set({ ...this.draft(), [field.path]: [...this.listOf(field), text] });
    box.value = '';
  }

  protected removeEntry(field: Field, at: number): void {
    const rest = this.listOf(field).filter((_, index) => index !== at);
    this.draft.set({ ...this.draft(), [field.path]: rest });
  }

  protected id(field: Field): string {
    return `field-${field.path.replaceAll(/[^A-Za-z0-9]+/g, '-')}`;
  }

  /** Templates lose the type of what they pass on. */
  protected asFields(fields: unknown): readonly Field[] {
    return fields as readonly Field[];
  }

  protected isShort(field: Field): boolean {
    return ['number', 'integer', 'choice', 'list', 'switch'].includes(field.kind);
  }
}
