// What a first visit has to fetch before it shows anything, compressed: at most 130 kB of scripts and
// styles. Counted from the built page itself: what it names, and what those modules import at once.
import { readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';

const LIMIT = 130_000; // bytes
const dist = new URL('../dist/', import.meta.url);
const page = readFileSync(new URL('index.html', dist), 'utf8');
const wanted = [...page.matchAll(/(?:src|href)="([^":]+\.(?:js|css))"/g)].map(([, name]) => name);
const seen = new Set();
while (wanted.length > 0) {
  const name = wanted.pop();
  if (seen.has(name)) continue;
  seen.add(name);
  if (!name.endsWith('.js')) continue;
  const text = readFileSync(new URL(name, dist), 'utf8');
  for (const [, other] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) wanted.push(other);
}
let total = 0;
for (const name of [...seen].sort()) {
  const size = brotliCompressSync(readFileSync(new URL(name, dist))).length;
  total += size;
  console.log(`${String(size).padStart(8)}  ${name}`);
}
console.log(`${String(total).padStart(8)}  in all, at most ${LIMIT}`);
process.exit(total > LIMIT ? 1 : 0);
