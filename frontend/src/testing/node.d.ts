/** The one thing of Node's that a test needs: to read a style sheet as text. */
declare module 'node:fs' {
  export function readFileSync(path: string, encoding: 'utf8'): string;
}
