/** The contrast of every text colour on every ground that it may stand on, from the tokens themselves. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync('src/styles/tokens.css', 'utf8');
const tokens = new Map(
  [...css.matchAll(/--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(
    ([, name, light, dark]) => [name, [light, dark] as const],
  ),
);

function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(text: string, ground: string, theme: 0 | 1): number {
  const [one, other] = [text, ground].map((name) => {
    const pair = tokens.get(name);
    if (!pair) throw new Error(`no token ${name}`);
    return luminance(pair[theme] ?? '');
  });
  const [most, least] = [Math.max(one ?? 0, other ?? 0), Math.min(one ?? 0, other ?? 0)];
  return (most + 0.05) / (least + 0.05);
}

const GROUNDS = ['canvas', 'surface', 'raised', 'sunken', 'hover', 'selected'];
const TONES = [
  'pending',
  'running',
  'cancelling',
  'success',
  'failed',
  'cancelled',
  'doubt',
  'waiting',
];

describe.each([
  ['light', 0],
  ['dark', 1],
] as const)('the %s tokens', (_, theme) => {
  it.each(['ink', 'ink-2', 'ink-3'])('let %s be read on every ground', (text) => {
    for (const ground of GROUNDS) expect(contrast(text, ground, theme)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(TONES)('let the status %s be read on cards, selected rows and its tint', (tone) => {
    for (const ground of ['surface', 'selected', `${tone}-bg`]) {
      expect(contrast(tone, ground, theme)).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('let controls be seen, and the primary button be read', () => {
    expect(contrast('control', 'surface', theme)).toBeGreaterThanOrEqual(3);
    expect(contrast('focus', 'surface', theme)).toBeGreaterThanOrEqual(3);
    expect(contrast('on-primary', 'primary', theme)).toBeGreaterThanOrEqual(4.5);
  });
});
