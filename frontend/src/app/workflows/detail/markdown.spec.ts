import { describe, expect, it } from 'vitest';
import { renderMarkdown } from './markdown';

describe('renderMarkdown', () => {
  it.each([
    ['<script>boom()</script>', '<script'],
    ['<img src=x onerror=boom()>', '<img'],
    ['![a](https://elsewhere.example/pixel.png)', '<img'],
    ['[a](javascript:boom())', 'href'],
    ['[a](data:text/html,boom)', 'href'],
    ['[a](//elsewhere.example)', 'href'],
    ['a <b onclick="boom()">b</b>', '<b'],
  ])('lets nothing of %s run or fetch', (text, never) => {
    expect(renderMarkdown(text)).not.toContain(never);
  });

  it('escapes what would leave an address', () => {
    const html = renderMarkdown('[a](https://elsewhere.example/"onmouseover="boom())');
    expect(html).not.toMatch(/"\s*onmouseover/);
  });

  it('opens links to the web beside the page, without telling where from', () => {
    expect(renderMarkdown('[a](https://elsewhere.example/)')).toContain(
      '<a href="https://elsewhere.example/" target="_blank" rel="noopener noreferrer nofollow">a</a>',
    );
  });
});
