// The lock must say all and name no address: every package has a digest, none an address, and no package
// that another one may want on some platform is missing (npm ci would fail there).
import { readFileSync } from 'node:fs';

const { packages } = JSON.parse(
  readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'),
);
const paths = Object.keys(packages);
const faults = [];
for (const [path, entry] of Object.entries(packages)) {
  if (path === '') continue;
  if ('resolved' in entry) faults.push(`${path}: names an address`);
  if (!entry.link && !entry.integrity) faults.push(`${path}: has no digest`);
  for (const name of Object.keys(entry.optionalDependencies ?? {})) {
    if (!paths.some((other) => other.endsWith(`node_modules/${name}`))) {
      faults.push(`${path}: ${name} is missing`);
    }
  }
}
for (const fault of faults) console.error(fault);
console.log(`${paths.length - 1} packages, ${faults.length} faults`);
process.exit(faults.length > 0 ? 1 : 0);
