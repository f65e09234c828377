/** The two live transports, behind tokens so that tests drive them by hand (jsdom has no EventSource). */
import { InjectionToken } from '@angular/core';
import type { Frame } from '../api/contracts';

/** Something that is open until closed; after `close` it says nothing more. */
export interface Connection {
  close(): void;
}

/** Where an open connection brings what it hears. */
export interface Listener {
  frame(frame: Frame): void;
  /** Called at most once. `code` is the WebSocket close code; null where there is none. */
  lost(code: number | null): void;
}

export type Open = (path: string, listener: Listener) => Connection;

/** Opens a WebSocket on this origin. */
export const OPEN_WEB_SOCKET = new InjectionToken<Open>('OPEN_WEB_SOCKET', {
  factory: () => openWebSocket,
});

/** Opens server-sent events on this origin. */
export const OPEN_EVENTS = new InjectionToken<Open>('OPEN_EVENTS', { factory: () => openEvents });

const FRAMES = [
  'hello',
  'snapshot',
  'status',
  'progress',
  'heartbeat',
  'ping',
  'resync',
  'end',
  'problem',
];

export function openWebSocket(path: string, listener: Listener): Connection {
  const { protocol, host } = globalThis.location;
  let open = true;
  const lose = (code: number | null) => {
    if (!open) return;
    open = false;
    listener.lost(code);
  };
  let socket: WebSocket;
  try {
    socket = new WebSocket(`${protocol === 'https:' ? 'wss:' : 'ws:'}//${host}${path}`);
  } catch {
    queueMicrotask(() => lose(null));
    return { close: () => (open = false) };
  }
  socket.onmessage = (event: MessageEvent<unknown>) => {
    if (!open) return;
    for (const frame of parse(event.data)) listener.frame(frame);
  };
  socket.onclose = (event) => lose(event.code);
  socket.onerror = () => {
    // A close follows every error and brings the code.
  };
  return {
    close: () => {
      open = false;
      socket.close();
    },
  };
}

export function openEvents(path: string, listener: Listener): Connection {
  if (!('EventSource' in globalThis)) {
    let waiting = true;
    queueMicrotask(() => {
      if (waiting) listener.lost(null);
    });
    return { close: () => (waiting = false) };
  }
  const source = new EventSource(path);
  let open = true;
  const hear = (event: MessageEvent<unknown>) => {
    if (!open) return;
    for (const frame of parse(event.data)) listener.frame(frame);
  };
  source.onmessage = hear;
  for (const name of FRAMES) source.addEventListener(name, hear);
  // The browser would come back by itself, without bound or jitter; the ladder decides instead.
  source.onerror = () => {
    source.close();
    if (!open) return;
    open = false;
    listener.lost(null);
  };
  return {
    close: () => {
      open = false;
      source.close();
    },
  };
}

/** The frames of one message: one, or several that the edge sent together. What is not JSON is dropped. */
export function parse(data: unknown): readonly Frame[] {
  if (typeof data !== 'string' || data === '') return [];
  try {
    const value = JSON.parse(data) as Frame | Frame[];
    return Array.isArray(value) ? value : [value];
  } catch {
    return [];
  }
}
