// After `ng build`: compresses what the edge serves, and puts it where the package has its app.
//
// The edge chooses `.br` and `.gz` beside a file; compressing once here, as hard as possible, costs the
// server nothing and a reader the least.
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const target = join(dirname(root), 'lastword', 'http', 'ui');
const TEXT = new Set(['.html', '.js', '.css', '.svg', '.json', '.txt', '.webmanifest']);
const SMALL = 1_000; // bytes; below this compressing gains nothing

for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name);
  if (!TEXT.has(extname(path)) || !statSync(path).isFile()) continue;
  const body = readFileSync(path);
  if (body.length < SMALL) continue;
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
  };
  writeFileSync(`${path}.br`, brotliCompressSync(body, { params }));
  writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }));
}
rmSync(target, { recursive: true, force: true });
cpSync(dist, target, { recursive: true });
