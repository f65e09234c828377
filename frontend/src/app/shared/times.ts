/** Times and durations in words; all pure. Milliseconds in, text out. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration in two units at most: `340 ms`, `1.1 s`, `38 s`, `4 m 10 s`, `2 h 05 m`, `6 d 4 h`. */
export function duration(ms: number): string {
  const span = Math.max(0, ms);
  if (span < SECOND) return `${Math.round(span)} ms`;
  if (span < 10 * SECOND) return `${(Math.floor(span / 100) / 10).toFixed(1)} s`;
  return wholeDuration(span);
}

/** The same in whole seconds, for what ticks: `0 s`, `4 m 10 s`. */
export function wholeDuration(ms: number): string {
  const span = Math.max(0, Math.floor(ms / SECOND) * SECOND);
  if (span < MINUTE) return `${span / SECOND} s`;
  if (span < HOUR)
    return `${Math.floor(span / MINUTE)} m ${two(Math.floor((span % MINUTE) / SECOND))} s`;
  if (span < DAY)
    return `${Math.floor(span / HOUR)} h ${two(Math.floor((span % HOUR) / MINUTE))} m`;
  return `${Math.floor(span / DAY)} d ${Math.floor((span % DAY) / HOUR)} h`;
}

/** A length that was chosen rather than measured: `15 m`, `1 h 30 m`, without what is nought. */
export function roundDuration(ms: number): string {
  return wholeDuration(ms).replace(/ 0+ [smh]$/, '');
}

/** `14:02:47`, with the day before it where that is not today. */
export function clockTime(time: string | number, now: number): string {
  const date = new Date(time);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = date.toDateString() === new Date(now).toDateString() ? '' : `${shortDay(date)} `;
  return day + clock;
}

/** `14:02:47.004`. */
export function preciseTime(time: string | number): string {
  const date = new Date(time);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Relative under a minute, a clock time after. */
export function ago(time: string | number, now: number): string {
  const age = now - new Date(time).getTime();
  if (age < 2 * SECOND) return 'just now';
  return age < MINUTE ? `${Math.floor(age / SECOND)} s ago` : clockTime(time, now);
}

/** Everything about a time, for tooltips: day, clock and zone. */
export function fullTime(time: string | number): string {
  return new Intl.DateTimeFormat('en-GB', {
    dateStyle: 'full',
    timeStyle: 'long',
  }).format(new Date(time));
}

/** Bytes for people: `212 B`, `0.4 KB`, `1.2 MB`. */
export function bytes(count: number): string {
  if (count < 100) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KB`;
  return `${(count / 1024 / 1024).toFixed(1)} MB`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function shortDay(date: Date): string {
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' }).format(date);
}
