import { Service, inject } from '@angular/core';
import { Dialog } from '@angular/cdk/dialog';
import { PageLink } from '../live/page-link';

/** Opens the start dialog, loading it when first wanted. */
@Service()
export class StartOpener {
  private readonly dialog = inject(Dialog);
  private readonly link = inject(PageLink);
  private opened = false;

  /** `definition` is chosen already where it is given. */
  async open(definition: string | null = null): Promise<void> {
    if (this.opened || this.link.offline()) return;
    this.opened = true;
    const { StartDialog } = await import('./start-dialog');
    const reference = this.dialog.open(StartDialog, {
      data: definition,
      width: '860px',
      maxWidth: '100vw',
      autoFocus: 'dialog',
      ariaLabelledBy: 'start-title',
      backdropClass: 'scrim',
      panelClass: ['dialog-panel', 'sheet'],
      disableClose: true,
    });
    reference.closed.subscribe(() => (this.opened = false));
  }
}
