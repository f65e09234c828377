import { Component, inject } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

/** An address that leads nowhere. */
@Component({
  selector: 'lw-not-found',
  imports: [RouterLink],
  template: `
    <main class="empty">
      <div>
        <h1>There is no such page</h1>
        <p>
          Nothing is at <span class="mono">{{ address }}</span>; it may have been mistyped.
        </p>
        <div class="actions"><a class="button" routerLink="/workflows">All workflows</a></div>
      </div>
    </main>
  `,
})
export class NotFound {
  protected readonly address = inject(Router).url;
}
