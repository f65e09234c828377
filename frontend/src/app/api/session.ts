import { Service, signal } from '@angular/core';

/** Whether the server wants to know who asks. The cookie itself is HttpOnly and never seen here. */
@Service()
export class Session {
  private readonly asked = signal(false);
  /** True from the first 401 until a login succeeded. */
  readonly needed = this.asked.asReadonly();

  require(): void {
    this.asked.set(true);
  }

  opened(): void {
    this.asked.set(false);
  }
}
