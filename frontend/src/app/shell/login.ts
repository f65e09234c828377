import { A11yModule } from '@angular/cdk/a11y';
import { Component, inject, signal } from '@angular/core';
import { Api } from '../api/api';
import { ApiError, sentence } from '../api/api-error';
import { Session } from '../api/session';

/** Asks for the token; afterwards the page that was wanted loads anew. */
@Component({
  selector: 'lw-login',
  imports: [A11yModule],
  template: `
    <div
      class="cover"
      role="dialog"
      aria-modal="true"
      aria-labelledby="login-title"
      cdkTrapFocus
      [cdkTrapFocusAutoCapture]="true"
    >
      <form class="card" (submit)="logIn($event, box.value)">
        <h1 id="login-title">Log in to lastword</h1>
        <p class="ink-2">
          This server asks who you are. Paste a token of yours, a viewer's or an operator's.
        </p>
        <label>
          Token
          <input
            #box
            class="field mono"
            type="password"
            autocomplete="current-password"
            name="token"
            required
            cdkFocusInitial
            [attr.aria-invalid]="wrong() !== ''"
            aria-describedby="login-wrong"
          />
        </label>
        <p id="login-wrong" class="wrong" role="alert">{{ wrong() }}</p>
        <button type="submit" class="button primary" [disabled]="asked()">
          {{ asked() ? 'Asked' : 'Log in' }}
        </button>
      </form>
    </div>
  `,
  styles: `
    .cover {
      position: fixed;
      inset: 0;
      z-index: 1200;
      display: grid;
      grid-template-columns: minmax(0, 1fr);
      place-items: center;
      padding: 24px;
      background: var(--canvas);
    }
    form {
      width: 380px;
      max-width: 100%;
      padding: 28px;
      display: grid;
      gap: 14px;
      border: 0;
      box-shadow: var(--elevation-2);
    }
    h1 {
      font-size: 18px;
      line-height: 26px;
      font-weight: 620;
      letter-spacing: -0.018em;
    }
    label {
      display: grid;
      gap: 5px;
      font-weight: 550;
    }
    .wrong {
      color: var(--failed);
      min-height: 20px;
    }
  `,
})
export class Login {
  private readonly api = inject(Api);
  private readonly session = inject(Session);
  protected readonly asked = signal(false);
  protected readonly wrong = signal('');

  protected async logIn(event: Event, token: string): Promise<void> {
    event.preventDefault();
    if (token.trim() === '') return;
    this.asked.set(true);
    this.wrong.set('');
    try {
      await this.api.logIn(token.trim());
      this.session.opened();
      location.reload();
    } catch (error) {
      const unknown = error instanceof ApiError && (error.status === 401 || error.status === 403);
      this.wrong.set(unknown ? 'That token is not known here.' : sentence(error));
    } finally {
      this.asked.set(false);
    }
  }
}
