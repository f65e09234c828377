import { Service, inject } from '@angular/core';
import { Dialog } from '@angular/cdk/dialog';

/** Opens what lies over the page; each is loaded when first wanted. */
@Service()
export class Overlays {
  private readonly dialog = inject(Dialog);
  private open = false;

  openPalette(): void {
    void this.show(
      () => import('./palette').then((m) => m.Palette),
      '560px',
      'palette-label',
      '12vh',
    );
  }

  openKeys(): void {
    void this.show(() => import('./keys-dialog').then((m) => m.KeysDialog), '520px', 'keys-title');
  }

  private async show(
    load: () => Promise<new () => unknown>,
    width: string,
    ariaLabelledBy: string,
    top?: string,
  ): Promise<void> {
    if (this.open) return;
    this.open = true;
    const component = await load();
    const reference = this.dialog.open(component, {
      width,
      ariaLabelledBy,
      backdropClass: 'scrim',
      panelClass: ['dialog-panel'],
    });
    if (top) reference.overlayRef.addPanelClass('from-top');
    reference.closed.subscribe(() => (this.open = false));
  }
}
