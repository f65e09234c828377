import { Component, computed, input } from '@angular/core';

/** Line icons of one family: 16 units, 1.5 wide, round ends. */
const PATHS = {
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 13.5 13.5',
  plus: 'M8 3v10M3 8h10',
  moon: 'M13.5 9.600A5.8 5.8 0 0 1 6.4 2.500a5.8 5.8 0 1 0 7.1 7.100z',
  sun: 'M8 5.200a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.600M8 1.500v1.300M8 13.200v1.300M1.5 8h1.300M13.2 8h1.300M3.4 3.400l.9.9M11.7 11.700l.9.9M12.6 3.400l-.9.9M4.3 11.700l-.9.9',
  contrast: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 2v12M8 5h3.800M8 8h5M8 11h3.8',
  copy: 'M7.1 5.500h4.800a1.6 1.6 0 0 1 1.6 1.600v4.800a1.6 1.6 0 0 1-1.6 1.600H7.100a1.6 1.6 0 0 1-1.6-1.600V7.100a1.6 1.6 0 0 1 1.6-1.600M10.5 5.500V4A1.5 1.5 0 0 0 9 2.500H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.500h1.5',
  dots: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  up: 'M8 13V3M4 7l4-4 4 4',
  arrowDown: 'M8 3v10M4 9l4 4 4-4',
  stop: 'M5.4 4h5.200A1.4 1.4 0 0 1 12 5.400v5.200a1.4 1.4 0 0 1-1.4 1.400H5.400A1.4 1.4 0 0 1 4 10.600V5.400A1.4 1.4 0 0 1 5.4 4',
  retry: 'M3 8a5 5 0 1 1 1.6 3.700M3 13v-2.800h2.8',
  check: 'm3.5 8.5 3 3 6-6.5',
  ask: 'M2.5 8A5.5 5.5 0 0 1 8 2.500c2 0 3.6 1 4.6 2.400M13.5 8A5.5 5.5 0 0 1 8 13.500c-2 0-3.6-1-4.6-2.400M12.9 2.200v2.900H10M3.1 13.800v-2.900H6',
  right: 'm6 3.5 4.5 4.500L6 12.5',
  down: 'm3.5 6 4.5 4.500L12.5 6',
  close: 'm4 4 8 8m0-8-8 8',
  list: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  pulse: 'M1.5 8h2.600l1.9-4.6 3.4 9.200L11.6 8h2.9',
  warn: 'M8 2 14.5 13.500h-13zM8 6.500v3M8 11.600h.01',
  download: 'M8 2.500v8M4.5 7.5 8 11l3.5-3.500M3 13.500h10',
  columns:
    'M4.1 3h7.800a1.6 1.6 0 0 1 1.6 1.600v6.800a1.6 1.6 0 0 1-1.6 1.600H4.100a1.6 1.6 0 0 1-1.6-1.600V4.600A1.6 1.6 0 0 1 4.1 3M6.5 3v10M10 3v10',
  bell: 'M4.2 11V7.300a3.8 3.8 0 0 1 7.6 0V11l1.2 1.300H3zM6.8 14h2.4',
  keyboard:
    'M3 4h10a1.5 1.5 0 0 1 1.5 1.500v5A1.5 1.5 0 0 1 13 12H3a1.5 1.5 0 0 1-1.5-1.500v-5A1.5 1.5 0 0 1 3 4M4.5 6.700h.01M7 6.700h.01M9.5 6.700h.01M11.7 6.700h.01M5.5 9.500h5',
  events: 'M2 8h9m0 0L7.8 4.800M11 8l-3.2 3.200M14.2 3.400v9.2',
  polling:
    'M13.4 6.400A5.7 5.7 0 0 0 3 5.300M2.6 9.600A5.7 5.7 0 0 0 13 10.700M3 2.200v3.100h3.100M13 13.800v-3.100H9.9',
  offline: 'M1.5 8h3M11.5 8h3M6 5.500l4 5m0-5-4 5',
  external:
    'M6 3.500H4A1.5 1.5 0 0 0 2.5 5v7A1.5 1.5 0 0 0 4 13.500h7a1.5 1.5 0 0 0 1.5-1.500v-2M9 2.500h4.500V7M13 3 7.5 8.5',
} as const;

export type IconName = keyof typeof PATHS;

/** A small drawing beside words; never alone, so it is hidden from those who listen. */
@Component({
  selector: 'lw-icon',
  template: `<svg viewBox="0 0 16 16" aria-hidden="true"><path [attr.d]="path()" /></svg>`,
  styles: `
    :host {
      display: inline-block;
      width: 16px;
      height: 16px;
      flex: none;
    }
    svg {
      width: 100%;
      height: 100%;
      fill: none;
      stroke: currentColor;
      stroke-width: 1.5;
      stroke-linecap: round;
      stroke-linejoin: round;
    }
  `,
})
export class Icon {
  readonly name = input.required<IconName>();
  protected readonly path = computed(() => PATHS[this.name()]);
}
