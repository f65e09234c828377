import type { Connection, Listener, Open } from '../app/live/transports';
import type { Frame } from '../app/api/contracts';
import type { PageEvent } from '../app/live/page-events';

/** A connection that a test drives by hand. */
export class HandDriven implements Connection {
  open = true;

  constructor(
    readonly path: string,
    private readonly listener: Listener,
  ) {}

  close(): void {
    this.open = false;
  }

  say(...frames: readonly Frame[]): void {
    for (const frame of frames) if (this.open) this.listener.frame(frame);
  }

  drop(code: number | null = null): void {
    if (!this.open) return;
    this.open = false;
    this.listener.lost(code);
  }
}

/** Opens hand-driven connections and keeps all of them. */
export class Opener {
  readonly all: HandDriven[] = [];
  readonly open: Open = (path, listener) => {
    const connection = new HandDriven(path, listener);
    this.all.push(connection);
    return connection;
  };

  get last(): HandDriven {
    const last = this.all.at(-1);
    if (!last) throw new Error('nothing was opened');
    return last;
  }

  get openCount(): number {
    return this.all.filter((connection) => connection.open).length;
  }
}

/** A page that a test hides and shows. */
export class HandDrivenPage {
  hidden = false;
  private readonly listeners = new Set<(event: PageEvent) => void>();

  listen(hear: (event: PageEvent) => void): () => void {
    this.listeners.add(hear);
    return () => this.listeners.delete(hear);
  }

  tell(event: PageEvent): void {
    this.hidden = event === 'hidden' ? true : event === 'shown' ? false : this.hidden;
    for (const hear of this.listeners) hear(event);
  }

  get listenerCount(): number {
    return this.listeners.size;
  }
}
